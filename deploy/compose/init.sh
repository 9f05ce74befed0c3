#!/bin/sh
# Writes what docker-compose.yml needs and no repository should hold: .env with fresh secrets, and the file
# of their hashes that the services check. Does nothing to files that are there already.
#
#   sh deploy/compose/init.sh [DIRECTORY]      the directory of docker-compose.yml; default: this repository
set -eu
umask 077

directory=${1:-$(dirname "$0")/../..}
env_file=$directory/.env
tokens_file=$directory/deploy/compose/tokens

if [ -e "$env_file" ] || [ -e "$tokens_file" ]; then
    echo "$env_file or $tokens_file is there already; remove both for fresh secrets" >&2
    exit 1
fi

secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
hash_of() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

# As `phasegate token create` makes them, which needs the image that this script comes before.
service_token=phasegate_$(secret)
person_token=phasegate_$(secret)
telemetry_token=phasegate_$(secret)

cat > "$env_file" <<END
POSTGRES_PASSWORD=$(secret)
PHASEGATE_SERVICE_TOKEN=$service_token
PHASEGATE_TOKEN=$person_token
PHASEGATE_TELEMETRY_TOKEN=$telemetry_token
END

mkdir -p "$directory/deploy/compose"
# Hashes only; the services read it under another user.
umask 022
cat > "$tokens_file" <<END
# name role[,role] sha256:<hash of the token>
phasegate service:collector,service:analyzer,service:reporter sha256:$(hash_of "$service_token")
operator sre,release-ops sha256:$(hash_of "$person_token")
application service:telemetry sha256:$(hash_of "$telemetry_token")
END

echo "wrote $env_file and $tokens_file"
