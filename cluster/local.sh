#!/usr/bin/env bash
# A real Ray head on this machine, with dashboard and token authentication, to submit jobs to.
#   cluster/local.sh up      start it and wait until it accepts jobs
#   cluster/local.sh status  is it there (exit 0), and where
#   cluster/local.sh down    stop what `up` started, and nothing else
# BALLAST_CLUSTER_DIR holds its state (default ~/.ballast/cluster), RAY_DASHBOARD_PORT its port (default 8265).
set -euo pipefail
cd "$(dirname "$0")/.."

RAY=.venv/bin/ray
PYTHON=.venv/bin/python
STATE="${BALLAST_CLUSTER_DIR:-$HOME/.ballast/cluster}"
PORT="${RAY_DASHBOARD_PORT:-8265}"
HEAD_PORT="${BALLAST_HEAD_PORT:-6379}"
CPUS="${BALLAST_CPUS:-$(n=$(nproc); echo $((n > 4 ? n : 4)))}"
WAIT_S=90
export RAY_AUTH_MODE=token PATH="$PWD/.venv/bin:$PATH" # `python` of a job is this environment

die() { echo "error: $1" >&2; exit 2; }
[ -x "$RAY" ] || die "no $RAY here: run 'make setup' first"

pid() { [ -f "$STATE/pid" ] && cat "$STATE/pid"; }
alive() { local p; p=$(pid) && [ -n "$p" ] && kill -0 "$p" 2>/dev/null; }

accepts_jobs() {
    "$PYTHON" - "http://127.0.0.1:$PORT" <<'PY' >/dev/null 2>&1
import sys
from ray.job_submission import JobSubmissionClient
JobSubmissionClient(sys.argv[1]).list_jobs()
PY
}

# The job agent comes up after the dashboard: a node without one takes a job and lets it fail.
agent_up() {
    local port
    port=$(cat "$STATE/agent_port" 2>/dev/null) || return 1
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

up() {
    alive && { echo "already up: http://127.0.0.1:$PORT"; return; }
    for port in "$PORT" "$HEAD_PORT"; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            die "port $port is taken: set RAY_DASHBOARD_PORT or BALLAST_HEAD_PORT, or stop what uses it"
        fi
    done
    mkdir -p "$STATE"
    chmod 700 "$STATE"
    "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' >"$STATE/agent_port"
    # A token is made on first use and kept where Ray looks for it.
    [ -f "$HOME/.ray/auth_token" ] || (umask 077 && "$RAY" get-auth-token --generate >/dev/null)
    chmod 600 "$HOME/.ray/auth_token"
    # --block keeps one process for the whole head, so that `down` ends exactly what `up` began.
    RAY_TRAIN_V2_ENABLED=1 nohup setsid "$RAY" start --head --block --port "$HEAD_PORT" --num-cpus "$CPUS" \
        --dashboard-host 127.0.0.1 --dashboard-port "$PORT" --dashboard-agent-listen-port "$(cat "$STATE/agent_port")" \
        --include-dashboard true --disable-usage-stats >"$STATE/log" 2>&1 </dev/null &
    echo $! >"$STATE/pid"
    echo "starting a Ray head (log: $STATE/log)"
    for ((i = 0; i < WAIT_S; i++)); do
        alive || { tail -n 5 "$STATE/log" >&2; rm -f "$STATE/pid"; die "the Ray head ended while starting; see $STATE/log"; }
        if agent_up && accepts_jobs; then
            echo "up: dashboard and jobs at http://127.0.0.1:$PORT (token: $HOME/.ray/auth_token)"
            echo "submit with: export RAY_AUTH_MODE=token RAY_API_SERVER_ADDRESS=http://127.0.0.1:$PORT"
            return
        fi
        sleep 1
    done
    down
    die "the Ray head took no jobs within $WAIT_S s; see $STATE/log"
}

down() {
    alive || { rm -f "$STATE/pid"; echo "not up"; return; }
    local group
    group=$(pid)
    kill -TERM -- "-$group" 2>/dev/null || true
    for ((i = 0; i < 20; i++)); do kill -0 -- "-$group" 2>/dev/null || break; sleep 0.5; done
    kill -KILL -- "-$group" 2>/dev/null || true
    rm -f "$STATE/pid"
    echo "down"
}

status() {
    alive || { echo "not up"; return 1; }
    if accepts_jobs; then
        echo "up: http://127.0.0.1:$PORT"
        "$RAY" status --address "127.0.0.1:$HEAD_PORT" 2>/dev/null | sed -n '/Usage/,$p' || true
    else
        echo "starting or unreachable: http://127.0.0.1:$PORT (log: $STATE/log)"
        return 1
    fi
}

case "${1:-}" in
    up | down | status) "$1" ;;
    *) die "usage: cluster/local.sh up|down|status" ;;
esac
