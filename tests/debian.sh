#!/bin/sh
# ssh-keygen and nginx for the tests of closing, from the system's own packages. Does nothing where they
# are; where they cannot be had, says what to do, and the tests are skipped. nginx is unpacked, not
# installed: no service starts on anybody's machine.
set -u
export DEBIAN_FRONTEND=noninteractive

if ! command -v ssh-keygen >/dev/null 2>&1; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
    echo "Installing openssh-client for the tests of signatures"
    { apt-get install -y -qq --no-install-recommends openssh-client ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-client; }; } \
      >/dev/null 2>&1 || echo "signature tests: apt-get could not install openssh-client" >&2
  else
    echo "signature tests: install ssh-keygen (Debian: openssh-client); they are skipped" >&2
  fi
fi

if ! command -v nginx >/dev/null 2>&1 && [ ! -x .venv/nginx/usr/sbin/nginx ]; then
  echo "Unpacking nginx for the tests of closing over HTTP"
  folder=$(mktemp -d)
  unpack() { (cd "$folder" && apt-get download nginx) && dpkg -x "$folder"/nginx_*.deb .venv/nginx; }
  { unpack || { apt-get update -qq && unpack; }; } >/dev/null 2>&1 ||
    echo "closing over HTTP: install nginx (Debian: apt-get install nginx); its tests are skipped" >&2
  rm -rf "$folder"
fi
exit 0
