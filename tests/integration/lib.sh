# lib.sh - what the integration scripts share.  A script begins with
#
#     . "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
#
# and then works in a folder of its own ($WORK), with one cluster on $D.  It ends only what it started,
# by process id, however it ends; after a failure it shows the ends of the clusters' logs.
# CAIRN_TEST_ALL=1: the full numbers.  CAIRN_TEST_KEEP=1: keep the folder.
# shellcheck shell=bash disable=SC2034
set -u

SRCDIR=$(readlink -f "${SRCDIR:-$(dirname "${BASH_SOURCE[0]}")/../..}")
BUILD=$(readlink -f "${BUILD:-$SRCDIR/build}")
CAIRN=$BUILD/cairn
CAIRND=$BUILD/cairnd
LOADGEN=$BUILD/tests/integration/loadgen
S3LOAD=$SRCDIR/tests/integration/s3load.py
WORK=$(mktemp -d "${TMPDIR:-/tmp}/cairn-$(basename "$0" .sh).XXXXXX") || exit 1
D=$WORK/data
FOLDERS=$D      # of clusters that this script may have started
PIDS=           # of other processes it started
MOUNTS=         # file systems it mounted
STARTED_S=$SECONDS
unset CAIRN_CONF
export PYTHONDONTWRITEBYTECODE=1
cd "$WORK" || exit 1

all() # are these the full numbers?
{
    test -n "${CAIRN_TEST_ALL-}"
}

step()
{
    printf -- '--- %3d s  %s\n' $((SECONDS - STARTED_S)) "$*"
}

fail()
{
    printf 'FAILED: %s\n' "$*"
    exit 1
}

skip()
{
    printf '%s\n' "$*"
    exit 77
}

need() # need COMMAND...: or skip
{
    local name

    for name in "$@"; do
        command -v "$name" >/dev/null || skip "$name is not installed"
    done
}

# --- the end ---------------------------------------------------------------------------------------

# The process that runs a folder's cluster, or nothing.  A pid in a file may be stale: it counts only
# when that process was started with this folder.
cluster_pid()
{
    local pid

    pid=$(cat "${1:-$D}/lock" 2>/dev/null) || return 0
    test -n "$pid" && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "${1:-$D}" && echo "$pid"
}

kill_and_wait() # kill_and_wait SIGNAL PID: it is gone when this returns
{
    local i

    kill "-$1" "$2" 2>/dev/null || return 0
    wait "$2" 2>/dev/null
    for ((i = 0; i < 600; i++)); do
        grep -qs '^State:[[:space:]]*[^Z]' "/proc/$2/status" || return 0
        sleep 0.05
    done
    fail "process $2 does not end"
}

logs_show()
{
    local f

    for f in $(find "$WORK" -maxdepth 3 \( -name log -o -name '*.out' -o -name '*.err' \) -size +0 | sort); do
        echo "=== the end of $f"
        tail -n 40 "$f" | cut -c 1-400
    done
}

finish()
{
    local status=$? folder pid mount

    trap - EXIT
    trap '' INT TERM
    for pid in $PIDS; do
        kill_and_wait KILL "$pid"
    done
    for folder in $FOLDERS; do
        pid=$(cluster_pid "$folder")
        test -z "$pid" || kill_and_wait KILL "$pid"
    done
    test $status -eq 0 || test $status -eq 77 || logs_show
    for mount in $MOUNTS; do
        umount "$mount" || umount -l "$mount"
    done
    cd / || exit 1
    if test -n "${CAIRN_TEST_KEEP-}"; then
        echo "kept: $WORK"
    else
        rm -rf "$WORK"
    fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- running things --------------------------------------------------------------------------------

c() # the cairn command on our cluster
{
    timeout 180 "$CAIRN" --data "$D" "$@"
}

ok() # ok COMMAND...: it must succeed; its output goes to the log of the test only when it does not
{
    local status

    "$@" >"$WORK/ok.txt" 2>&1 </dev/null
    status=$?
    test $status -ne 0 || return 0
    cat "$WORK/ok.txt"
    fail "exit $status: $*"
}

refuses() # refuses STATUS REGEX COMMAND...: it must end with STATUS and say REGEX on stderr
{
    local status=$1 regex=$2 got
    shift 2

    "$@" >"$WORK/refuses.txt" 2>"$WORK/refuses.say" </dev/null
    got=$?
    test "$got" -eq "$status" || { cat "$WORK/refuses.say" && fail "exit $got instead of $status: $*"; }
    grep -qiE -- "$regex" "$WORK/refuses.say" || { cat "$WORK/refuses.say" && fail "'$regex' is not said by: $*"; }
}

same() # same WANT GOT WHAT
{
    test "$1" = "$2" || fail "$3 is '$2', not '$1'"
}

wait_for() # wait_for SECONDS WHAT COMMAND...: until it succeeds
{
    local until=$((SECONDS + $1)) what=$2
    shift 2

    until "$@" >/dev/null 2>&1; do
        test $SECONDS -lt "$until" || { "$@" && return; fail "still not so: $what"; }
        sleep 0.1
    done
}

start() # start NAME COMMAND...: in the background; output in NAME.out, pid in $STARTED
{
    local name=$1
    shift

    "$@" >"$WORK/$name.out" 2>&1 </dev/null &
    STARTED=$!
    PIDS="$PIDS $STARTED"
}

stop() # stop PID: ask it to end; its exit status
{
    kill -TERM "$1" 2>/dev/null
    wait "$1"
}

mib() # mib N FILE: a file of N MiB that no other looks like
{
    head -c "$(($1 << 20))" /dev/urandom >"$2"
}

# --- a cluster in one process ----------------------------------------------------------------------

up() # up [ARGS]: start it on $D, or fail; the gateway at $S3_ADDR or a free port
{
    "$CAIRN" --data "$D" up --detach --s3 "${S3_ADDR-127.0.0.1:0}" "$@" >"$WORK/up.out" 2>"$WORK/up.err" </dev/null ||
        fail "cairn up: $(cat "$WORK/up.err")"
    test -n "$(cluster_pid)" || fail "cairn up returned, but nothing runs"
}

down()
{
    ok c down
    test -z "$(cluster_pid)" || fail "cairn down returned, but process $(cluster_pid) runs"
}

kill_cluster()
{
    local pid

    pid=$(cluster_pid)
    test -n "$pid" || fail "the cluster is not running"
    kill_and_wait KILL "$pid"
}

conf_add() # conf_add SECTION 'NAME = VALUE': before the next start
{
    printf '\n[%s]\n%s\n' "$1" "$2" >>"$D/cairn.conf"
}

fsck_all() # every store of $D is in order
{
    local store

    for store in "$D"/osd.*; do
        "$CAIRN" osd fsck "$store" >"$WORK/fsck.txt" 2>&1 ||
            { cat "$WORK/fsck.txt" && fail "fsck of $(basename "$store") finds errors"; }
    done
}

health() # HEALTH_OK, HEALTH_WARN or HEALTH_ERR
{
    c status --json | jq -r '.health.status'
}

healthy()
{
    test "$(health)" = HEALTH_OK
}

repaired() # nothing is wrong but damage that was found and is repaired
{
    c status --json | jq -e '.pgs.active_clean == .pgs.total and
        ([.health.checks[].code] - ["CORRUPTION_REPAIRED"] == [])'
}

# --- where objects are -----------------------------------------------------------------------------

where() # where POOL NAME FILTER
{
    c object where "$1" "$2" --json | jq -rc "$3"
}

copies_equal() # copies_equal POOL NAME N: N copies, all with one version and checksum
{
    c object where "$1" "$2" --json | jq -e --argjson n "$3" '(.copies | length) == $n and
        ([.copies[] | select(.version)] | length) == $n and
        ([.copies[] | [.version, .crc32c, .bytes]] | unique | length) == 1' >/dev/null
}

# --- S3 --------------------------------------------------------------------------------------------

s3() # s3 METHOD TARGET [CURL ARGS]: the status of a signed request; the answer is in `body` and `head`
{
    local method=$1 target=$2
    shift 2

    # shellcheck disable=SC1091
    . "$D/env"
    curl -s --aws-sigv4 aws:amz:us-east-1:s3 -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -X "$method" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -o "$WORK/body" -D "$WORK/head" -w '%{http_code}' "$@" \
        "$AWS_ENDPOINT_URL$target"
}

# --- one role a process ----------------------------------------------------------------------------

free_ports() # free_ports N
{
    python3 -c 'import socket, sys
s = [socket.socket() for _ in range(int(sys.argv[1]))]
for x in s: x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))' "$1"
}

many_init() # many_init MONS: the configuration of a cluster of daemons on $D
{
    local i mons='' ports

    read -r -a ports <<<"$(free_ports $(($1 + 1)))"
    for ((i = 0; i < $1; i++)); do
        mons=$mons${mons:+,}$i=127.0.0.1:${ports[i]}
    done
    mkdir -p "$D"
    S3_ADDR=127.0.0.1:${ports[$1]}
    cat >"$D/cairn.conf" <<CONF
[cluster]
fsid = $(cat /proc/sys/kernel/random/uuid)
mons = $mons
data = $D

[s3]
addr = $S3_ADDR
CONF
}

role_begin() # role_begin ROLE ID: start it; its pid in ROLE_PID[ROLE.ID]
{
    "$CAIRND" "$1" --conf "$D/cairn.conf" --id "$2" >"$WORK/$1.$2.out" 2>>"$WORK/$1.$2.err" </dev/null &
    ROLE_PID[$1.$2]=$!
    PIDS="$PIDS $!"
}
declare -A ROLE_PID

role_ready() # role_ready ROLE ID: it answers
{
    local i

    for ((i = 0; i < 600; i++)); do
        grep -qs 'is ready' "$WORK/$1.$2.out" && return 0
        kill -0 "${ROLE_PID[$1.$2]}" 2>/dev/null || fail "cairnd $1 $2 ended: $(tail -n 3 "$WORK/$1.$2.err")"
        sleep 0.1
    done
    fail "cairnd $1 $2 does not get ready: $(tail -n 3 "$WORK/$1.$2.err")"
}

role_kill() # role_kill SIGNAL ROLE ID
{
    local pid=${ROLE_PID[$2.$3]}

    kill_and_wait "$1" "$pid"
    PIDS=${PIDS/ $pid/}
}

many_up() # many_up MONS OSDS: monitors, OSDs, a gateway, and its user in $D/env
{
    local i

    many_init "$1"
    for ((i = 0; i < $1; i++)); do role_begin mon "$i"; done
    for ((i = 0; i < $1; i++)); do role_ready mon "$i"; done
    for ((i = 0; i < $2; i++)); do role_begin osd "$i"; done
    for ((i = 0; i < $2; i++)); do role_ready osd "$i"; done
    role_begin s3 0
    role_ready s3 0
    c user create admin --json >"$WORK/user.json" || fail "cannot create a user"
    jq -r --arg a "$S3_ADDR" '"export AWS_ENDPOINT_URL=\u0027http://\($a)\u0027",
        "export AWS_ACCESS_KEY_ID=\u0027\(.access_key)\u0027",
        "export AWS_SECRET_ACCESS_KEY=\u0027\(.secret_key)\u0027",
        "export AWS_DEFAULT_REGION=\u0027us-east-1\u0027"' "$WORK/user.json" >"$D/env"
}

# --- load ------------------------------------------------------------------------------------------

count_of() # count_of NAME FILE: a counter of the last line of loadgen or s3load
{
    tail -n 1 "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

acknowledged() # acknowledged JOURNAL: how many changes
{
    grep -cs '^A' "$WORK/$1" || true
}

acknowledges() # acknowledges NAME OBJECTS KEYS: more of each load than these
{
    test "$(acknowledged "$1.objects")" -gt "${2:-0}" && test "$(acknowledged "$1.keys")" -gt "${3:-0}"
}

# load_start NAME [LOADGEN ARGS]: loadgen and s3load at work, journals NAME.objects and NAME.keys.
# When it returns, both have changed something.
load_start()
{
    local name=$1 objects keys
    shift

    objects=$(acknowledged "$name.objects")
    keys=$(acknowledged "$name.keys")

    start "$name.loadgen" "$LOADGEN" --conf "$D/cairn.conf" --pool load --journal "$WORK/$name.objects" \
        "$@" run
    LOADGEN_PID=$STARTED
    # shellcheck disable=SC2086
    start "$name.s3load" python3 "$S3LOAD" --env "$D/env" --bucket load --journal "$WORK/$name.keys" \
        ${S3LOAD_ARGS-} run
    S3LOAD_PID=$STARTED
    wait_for 60 "both loads change something" acknowledges "$name" "$objects" "$keys"
}

load_stop() # load_stop NAME: both end without an error
{
    local rc=0

    stop "$LOADGEN_PID" || rc=1
    stop "$S3LOAD_PID" || rc=1
    tail -qn 1 "$WORK/$1.loadgen.out" "$WORK/$1.s3load.out"
    test $rc -eq 0 || { grep -hv '^run ' "$WORK/$1.loadgen.out" "$WORK/$1.s3load.out" | head -n 20; fail "errors under load"; }
    test "$(count_of changes "$WORK/$1.loadgen.out")" -gt 0 || fail "loadgen changed nothing"
    test "$(count_of changes "$WORK/$1.s3load.out")" -gt 0 || test -n "${S3LOAD_ARGS-}" ||
        fail "s3load changed nothing"
}

# no_stall NAME MS: no operation of that load took longer; twice that where other programs keep the
# machine busy, since then we wait for cores, not for a cluster.
no_stall()
{
    local f limit=$2

    if awk -v cores="$(nproc)" '{ exit $1 <= 3 * cores }' /proc/loadavg; then
        limit=$((2 * limit))
        echo "load $(cut -d ' ' -f 1 /proc/loadavg) on $(nproc) cores: $limit ms are allowed"
    fi
    for f in "$WORK/$1.loadgen.out" "$WORK/$1.s3load.out"; do
        test "$(count_of slowest_ms "$f")" -le "$limit" ||
            fail "an operation took $(count_of slowest_ms "$f") ms ($(basename "$f" .out))"
    done
}

load_verify() # load_verify NAME [LOADGEN ARGS]: every acknowledged change is there
{
    local name=$1
    shift

    "$LOADGEN" --conf "$D/cairn.conf" --pool load --journal "$WORK/$name.objects" "$@" verify >verify.txt 2>&1 ||
        { cat verify.txt && fail "loadgen verify"; }
    tail -n 1 verify.txt
    # shellcheck disable=SC2086
    python3 "$S3LOAD" --env "$D/env" --bucket load --journal "$WORK/$name.keys" ${S3LOAD_ARGS-} verify \
        >verify.txt 2>&1 || { cat verify.txt && fail "s3load verify"; }
    tail -n 1 verify.txt
}

test -x "$CAIRN" || fail "there is no $CAIRN: build first"
need jq python3 timeout
