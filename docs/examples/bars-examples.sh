#!/bin/sh
# Sends each example of the BaRS API specification in a folder to a gateway, by curl, and prints what it was answered.
#
#   vcse-gateway demo --referrals 2        in one terminal: it prints the FHIR base address
#   GATEWAY=http://127.0.0.1:PORT/fhir sh docs/examples/bars-examples.sh FOLDER
#
# The examples are NHS England's and are not in this repository. Ends with 0 if each was taken (2xx) or refused (4xx, 501) with an
# OperationOutcome that has a code and words; a fault of the gateway (another 5xx, no answer, no outcome) ends with 1.
set -eu
: "${GATEWAY:?the FHIR base address of the gateway}"
FOLDER=${1:?the folder with the examples}
TOKEN=${TOKEN:-demo-bars-system}
PRACTICE=${PRACTICE:-Y99999}
ODS=https://fhir.nhs.uk/Id/ods-organization-code
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

guid() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.*\)$/\1-\2-4\3-8\4-\5/'; }
encoded() { printf '%s' "$1" | base64 | tr -d '\n'; }

count=0
wrong=0
for file in "$FOLDER"/*.json; do
    [ -f "$file" ] || { printf 'no examples in %s\n' "$FOLDER"; exit 1; }
    id=$(sed -n 's/.*"id": *"\([A-Za-z0-9.-]*\)".*/\1/p' "$file" | head -n 1)
    type='application/fhir+json; version=1.4.0'
    case "$file" in
        *service_request*PUT-body*) method=PUT path=ServiceRequest/${id:-1} ;;
        *service_request*PATCH-body*) method=PATCH path=ServiceRequest/${id:-1} type=application/json-patch+json ;;
        *service_request*) method=POST path=ServiceRequest ;;
        *) method=POST path=\$process-message ;;
    esac
    status=$(curl -sS -o "$WORK/answer" -w '%{http_code}' -X "$method" "$GATEWAY/$path" \
        -H "Authorization: Bearer $TOKEN" \
        -H "Content-Type: $type" -H 'Accept: application/fhir+json; version=1.4.0' \
        -H 'If-Match: W/"1"' -H "X-Request-Id: $(guid)" -H "X-Correlation-Id: $(guid)" \
        -H "NHSD-Target-Identifier: $(encoded "{\"system\":\"$ODS\",\"value\":\"VCSE1\"}")" \
        -H "NHSD-End-User-Organisation: $(encoded "{\"resourceType\":\"Organization\",\"identifier\":[{\"system\":\"$ODS\",\"value\":\"$PRACTICE\"}]}")" \
        --data-binary "@$file") || status=000
    words=$(sed -n 's/.*"diagnostics":"\([^"]*\)".*/\1/p' "$WORK/answer" 2>/dev/null | head -n 1 | cut -c 1-110)
    verdict=ok
    case "$status" in
        2??) ;;
        4??|501) grep -q '"resourceType":"OperationOutcome"' "$WORK/answer" && [ -n "$words" ] || verdict=WRONG ;;
        *) verdict=WRONG ;;
    esac
    [ "$verdict" = ok ] || wrong=$((wrong + 1))
    count=$((count + 1))
    printf '%-5s %s %s %s: %s\n' "$verdict" "$status" "$method" "$(basename "$file")" "$words"
done
printf '%s examples, %s not answered clearly\n' "$count" "$wrong"
[ "$wrong" = 0 ]
