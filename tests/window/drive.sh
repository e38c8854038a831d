#!/usr/bin/env bash
# Clicks and types through every workspace of the real window and looks at the
# screen after each step; then pauses and measures what the idle window costs.
# Needs DISPLAY (use xvfb-run), xdotool and ImageMagick.
#
#   drive.sh GRIDLOOM WORK
set -euo pipefail
gridloom="$1"
work="$2"

fail() {
    echo "FAILED: $*" >&2
    tail -n 20 "$work/window.log" >&2 || true
    exit 1
}

look() {
    import -silent -window root "$1"
}

# changed A B: pixels that differ noticeably.
changed() {
    local count
    count=$(compare -metric AE -fuzz 4% "$1" "$2" null: 2>&1 || true)
    printf '%.0f\n' "${count%% *}"
}

# step NAME PIXELS COMMAND...: the command must change so many pixels, soon.
step() {
    local name="$1" least="$2" found=0
    shift 2
    kill -0 "$window" 2>/dev/null || fail "$name: the window closed by itself"
    look "$work/before.png"
    "$@"
    for _ in $(seq 40); do
        sleep 1
        look "$work/$name.png"
        found=$(changed "$work/before.png" "$work/$name.png")
        if [ "$found" -ge "$least" ]; then
            echo "$name: $found pixels changed"
            return
        fi
    done
    fail "$name: only $found pixels changed, expected $least"
}

press() {
    xdotool key --delay 120 "$@"
}

letters() {
    xdotool type --delay 80 "$1"
}

click() {
    xdotool mousemove "$1" "$2" sleep 0.4 click 1
}

# Processor time of the window so far, in ticks of the clock.
spent() {
    awk '{ print $14 + $15 }' "/proc/$window/stat"
}

"$gridloom" >"$work/window.log" 2>&1 &
window=$!
trap 'kill "$window" 2>/dev/null || true' EXIT

# Something with many colours is on the screen: the first picture.
for attempt in $(seq 60); do
    sleep 1
    kill -0 "$window" 2>/dev/null || fail "the window closed by itself"
    look "$work/first.png"
    colours=$(convert "$work/first.png" -format '%k' info:)
    [ "$colours" -ge 300 ] && break
    [ "$attempt" -lt 60 ] || fail "nothing was drawn"
done
echo "first picture after ${SECONDS} s, $colours colours"
xdotool search --sync --name '^Gridloom$' windowfocus || fail "no window has the name Gridloom"

# Operate: the finder, a house, its breaker in two steps, and back.
step finder 2000 press ctrl+k
step typed 100 letters H17
step selected 2000 press Return
step tilted 20000 press F5
step layers 20000 press F5
step single 20000 press F5
step day 200000 press t
step night 200000 press t

# Train: scenes, an event from the palette, presenting.
step train 20000 press F2
step presenter 50000 press F12
step back 50000 press Escape
step click_scene 2000 click 116 108

# Engineer: a filter, a breakpoint by typing, the events.
step engineer 50000 press F3
step filter_field 100 click 100 64
step filter 500 letters 'v > 0.9'
step leave 100 press Escape

# The audience has a window of its own.
press F11
for attempt in $(seq 30); do
    sleep 1
    xdotool search --name 'Gridloom, audience' >"$work/second" 2>/dev/null && break
    [ "$attempt" -lt 30 ] || fail "F11 opened no second window"
done
echo "second window: $(tr '\n' ' ' <"$work/second")"
xdotool search --name '^Gridloom$' windowfocus
press F11
sleep 3
xdotool search --name 'Gridloom, audience' >"$work/second" 2>/dev/null && fail "F11 closed no second window"

# Paused and left alone.
step operate 50000 press F1
# A control may have the focus and take the first press.
for attempt in 1 2 3; do
    press space
    sleep 5
    look "$work/paused-a.png"
    sleep 3
    look "$work/paused-b.png"
    moved=$(changed "$work/paused-a.png" "$work/paused-b.png")
    [ "$moved" -lt 50 ] && break
    [ "$attempt" -lt 3 ] || fail "the window does not pause: $moved pixels still change"
done
sleep 8
hz=$(getconf CLK_TCK)
before=$(spent)
sleep 20
after=$(spent)
share=$(awk "BEGIN { printf \"%.2f\", ($after - $before) * 100 / $hz / 20 }")
echo "paused: $share % of a core"
awk "BEGIN { exit !($share <= 5) }" || fail "the paused window takes $share % of a core, more than 5"
kill "$window"
wait "$window" || true
! grep -q panicked "$work/window.log" || fail "the window panicked"
echo "every step passed"
