#!/bin/sh
# A BaRS-shaped conversation with a gateway, by curl: two referrals go out as messages, one is cancelled by a message, and what becomes of
# both comes back as servicerequest-response messages.
#
#   vcse-gateway demo --referrals 2        in one terminal: it prints FHIR base address and the address of the responses
#   GATEWAY=http://127.0.0.1:PORT/fhir RESPONSES=http://127.0.0.1:PORT/messages sh docs/examples/bars-conversation.sh
#
# Ends with 0 if every step was answered as docs/bars.md says.
set -eu
: "${GATEWAY:?the FHIR base address of the gateway}" "${RESPONSES:?where the responses can be read}"
TOKEN=${TOKEN:-demo-bars-system}
PRACTICE=${PRACTICE:-Y99999}
HERE=$(dirname "$0")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
ODS=https://fhir.nhs.uk/Id/ods-organization-code

say() { printf '%s\n' "$*"; }
fail() { say "NOT RIGHT: $*"; exit 1; }
guid() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.*\)$/\1-\2-4\3-8\4-\5/'; }
encoded() { printf '%s' "$1" | base64 | tr -d '\n'; }

# message FILE CONVERSATION EXPECTED-STATUS: the answer is in $WORK/answer.
message() {
    status=$(curl -sS -o "$WORK/answer" -w '%{http_code}' -X POST "$GATEWAY/\$process-message" \
        -H "Authorization: Bearer $TOKEN" \
        -H 'Content-Type: application/fhir+json; version=1.4.0' -H 'Accept: application/fhir+json; version=1.4.0' \
        -H "X-Request-Id: $(guid)" -H "X-Correlation-Id: $2" \
        -H "NHSD-Target-Identifier: $(encoded "{\"system\":\"$ODS\",\"value\":\"VCSE1\"}")" \
        -H "NHSD-End-User-Organisation: $(encoded "{\"resourceType\":\"Organization\",\"identifier\":[{\"system\":\"$ODS\",\"value\":\"$PRACTICE\"}]}")" \
        --data-binary "@$1")
    [ "$status" = "$3" ] || fail "$1 was answered $status and not $3: $(cat "$WORK/answer")"
}

# first KIND: the id of the first resource of this type in the answer.
first() { sed -n "s/.*\"resourceType\":\"$1\",\"id\":\"\([^\"]*\)\".*/\1/p" "$WORK/answer" | head -n 1; }
one_by_one() { sed 's/{"resourceType"/\n{"resourceType"/g' "$1" >"$1.lines" && mv "$1.lines" "$1"; }

# refer NAME: sends a new referral; its ids are left in $WORK/NAME.*
refer() {
    guid >"$WORK/$1.message"
    guid >"$WORK/$1.conversation"
    sed -e "s/\"MESSAGE\"/\"$(cat "$WORK/$1.message")\"/" -e "s/\"PRACTICE\"/\"$PRACTICE\"/" \
        -e "s/CASE/$(cat "$WORK/$1.message")/" "$HERE/bars-request.json" >"$WORK/$1.json"
    message "$WORK/$1.json" "$(cat "$WORK/$1.conversation")" 200
    one_by_one "$WORK/answer"
    first Task >"$WORK/$1.task"
    first ServiceRequest >"$WORK/$1.request"
    [ -s "$WORK/$1.task" ] && [ -s "$WORK/$1.request" ] || fail "the answer names no Task and ServiceRequest"
    say "$1: referral taken, 200; Task/$(cat "$WORK/$1.task")"
}

# hear NAME STATUSES: waits for a response to NAME in which the receiver's Encounter has one of these, and says which.
hear() {
    tries=0
    while [ "$tries" -lt 240 ]; do
        curl -sS "$RESPONSES" >"$WORK/responses"
        found=$(grep "\"identifier\":\"$(cat "$WORK/$1.message")\"" "$WORK/responses" \
            | sed -n 's/.*"resourceType":"Encounter","status":"\([a-z-]*\)".*/\1/p' | grep -x "$2" | head -n 1)
        [ -n "$found" ] && { say "$1: servicerequest-response, Encounter $found"; return; }
        tries=$((tries + 1))
        sleep 0.5
    done
    fail "$1: no response says $2"
}

refer first
message "$WORK/first.json" "$(cat "$WORK/first.conversation")" 409
grep -q '"code":"duplicate"' "$WORK/answer" || fail "the same message again is no duplicate"
say "first: the same message again, 409 duplicate"
# What the service makes of it is the service's: it may also decline.
hear first 'planned\|in-progress\|finished\|cancelled'
hear first 'finished\|cancelled'

refer second
sed -e "s/\"MESSAGE\"/\"$(guid)\"/" -e "s/\"REQUEST\"/\"$(cat "$WORK/second.request")\"/" "$HERE/bars-cancellation.json" >"$WORK/cancel.json"
message "$WORK/cancel.json" "$(cat "$WORK/second.conversation")" 200
say "second: cancellation taken, 200"
hear second cancelled
say "The conversation went as docs/bars.md says."
