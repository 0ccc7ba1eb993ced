"""What is claimed of the engine, proven on much more data than the tests take."""
