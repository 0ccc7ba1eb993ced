#!/bin/sh
# A Chromium for the browser tests, from the system's own packages: Playwright drives it.
# Does nothing where there is one; without root, says what to do and leaves the tests to be skipped.
set -u

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
[ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] && exit 0
[ -n "${TIEOUT_CHROMIUM:-}" ] && [ -x "$TIEOUT_CHROMIUM" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "browser tests: install Chromium, or name one in TIEOUT_CHROMIUM; they are skipped" >&2
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "browser tests: run 'sudo apt-get install chromium'; until then they are skipped" >&2
  exit 0
fi
echo "Installing chromium for the browser tests"
export DEBIAN_FRONTEND=noninteractive
{ apt-get install -y -qq --no-install-recommends chromium ||
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }; } \
  >/dev/null 2>&1 || echo "browser tests: apt-get could not install chromium; they are skipped" >&2
exit 0
