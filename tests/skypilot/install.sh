#!/usr/bin/env bash
# What the test cluster needs of the system: as root on Debian it is installed where it is missing.
set -euo pipefail

wanted=(slurmctld:slurm-wlm munged:munge sshd:openssh-server rsync:rsync ssh-keygen:openssh-client)
missing=()
for each in "${wanted[@]}"; do
  PATH="$PATH:/usr/sbin" command -v "${each%%:*}" >/dev/null || missing+=("${each##*:}")
done
[ "${#missing[@]}" = 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "make test-skypilot needs root, and: ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]} ..."
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
