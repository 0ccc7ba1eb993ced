#!/bin/sh
# ssh-keygen for the tests of signatures, from the system's own packages. Does nothing where it is;
# without root, says what to do and leaves the tests to be skipped.
set -u
command -v ssh-keygen >/dev/null 2>&1 && exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
  echo "signature tests: install ssh-keygen (Debian: openssh-client); until then they are skipped" >&2
  exit 0
fi
echo "Installing openssh-client for the tests of signatures"
export DEBIAN_FRONTEND=noninteractive
{ apt-get install -y -qq --no-install-recommends openssh-client ||
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-client; }; } \
  >/dev/null 2>&1 || echo "signature tests: apt-get could not install openssh-client" >&2
exit 0
