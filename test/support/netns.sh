#!/bin/bash
# Hosts as network namespaces in a star around one bridge, with limits per host and per pair of hosts. Needs root.
# usage: netns.sh up NAME COUNT | down NAME | limit NAME HOST up|down BITS | pair NAME FROM TO BITS | close NAME HOST |
#   congestion NAME HOST ALGORITHM
#   Host I (1 to COUNT) is the namespace NAME-I and has the address 10.77.0.I.
#   BITS: per second, headers of every packet included. close: new connections to the host are dropped, as a firewall does.
#   congestion: the algorithm that new TCP connections of the host use.
#   down: also kills every process that still runs in the namespaces.
# The bridge lies in a namespace of its own, NAME-sw: nothing is added to the machine's own network.
# Limits are token buckets (htb) with bursts of a few milliseconds; queues are 2 MB, as a switch port has them.
set -euo pipefail
op=${1:?}; name=${2:?}; shift 2
switch=$name-sw

# Rate and burst of a class. A burst below two segments of 64 KiB would throttle by itself.
shape() { # NAMESPACE DEVICE CLASS PARENT BITS
  local burst=$(($5 / 8 / 250)); [ $burst -ge 131072 ] || burst=131072
  tc -n "$1" class replace dev "$2" parent "$4" classid "$3" htb rate "$5" ceil "$5" burst $burst cburst $burst quantum 60000
}

case $op in
up)
  ip netns add "$switch"
  ip -n "$switch" link add br0 type bridge
  ip -n "$switch" link set br0 up
  for host in $(seq "$1"); do
    ns=$name-$host
    ip netns add "$ns"
    ip -n "$ns" link set lo up
    ip link add "e$host" netns "$switch" type veth peer name eth0 netns "$ns"
    ip -n "$switch" link set "e$host" master br0 up
    ip -n "$ns" addr add "10.77.0.$host/24" dev eth0
    ip -n "$ns" link set eth0 up
    # 1:1 is the whole port, 1:10 what no pair has for itself. eth0 shapes what leaves the host, e$host what arrives.
    for end in "$ns eth0" "$switch e$host"; do
      read -r where device <<< "$end"
      tc -n "$where" qdisc add dev "$device" root handle 1: htb default 10 r2q 100
      shape "$where" "$device" 1:1 1: 10000000000
      shape "$where" "$device" 1:10 1:1 10000000000
      tc -n "$where" qdisc add dev "$device" parent 1:10 handle 10: bfifo limit 2mb
    done
  done ;;
down)
  for ns in $(ip netns list | awk '{print $1}' | grep -E "^$name-(sw|[0-9]+)$" || true); do
    for pid in $(ip netns pids "$ns"); do kill -KILL "$pid" 2> /dev/null || true; done
    ip netns del "$ns"
  done ;;
limit)
  where=$name-$1 device=eth0
  [ "$2" = up ] || { where=$switch; device=e$1; }
  shape "$where" "$device" 1:1 1: "$3"
  shape "$where" "$device" 1:10 1:1 "$3" ;;
pair)
  ns=$name-$1
  class=1$(printf %02x "$2")
  shape "$ns" eth0 "1:$class" 1:1 "$3"
  tc -n "$ns" qdisc replace dev eth0 parent "1:$class" handle "$class:" bfifo limit 2mb
  tc -n "$ns" filter replace dev eth0 parent 1: protocol ip prio $((100 + $2)) \
    u32 match ip dst "10.77.0.$2/32" flowid "1:$class" ;;
congestion)
  ip netns exec "$name-$1" sh -c 'echo "$1" > /proc/sys/net/ipv4/tcp_congestion_control' sh "$2" ;;
close)
  ip netns exec "$name-$1" nft -f - << 'RULES'
add table inet closed
add chain inet closed incoming { type filter hook input priority 0; }
add rule inet closed incoming iifname "eth0" tcp flags & (syn | ack) == syn counter drop
RULES
  ;;
*)
  sed -n 2,10p "$0" >&2
  exit 2 ;;
esac
