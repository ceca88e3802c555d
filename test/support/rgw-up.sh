#!/bin/bash
# Starts a real S3 server for tests: Ceph's RADOS gateway on one monitor and one in-memory disk of 4 GiB.
# usage: rgw-up.sh DIR IP PORT MON_PORT1 MON_PORT2 ACCESS_KEY SECRET_KEY     stop: kill $(cat DIR/*.pid)
# needs: radosgw ceph-mon ceph-osd ceph-common (Debian's names), and root. Everything it writes lies in DIR.
set -euo pipefail
dir=${1:?}; ip=${2:?}; port=${3:?}; mon2=${4:?}; mon1=${5:?}; access=${6:?}; secret=${7:?}
mkdir -p "$dir"/{mon,osd,rgw,log}
cd "$dir"
export CEPH_CONF=$dir/ceph.conf
classes=$(echo /usr/lib/*/rados-classes)
fsid=$(cat /proc/sys/kernel/random/uuid)

cat > ceph.conf <<CONF
[global]
fsid = $fsid
mon_initial_members = a
mon_host = [v2:$ip:$mon2,v1:$ip:$mon1]
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
mon_data_avail_crit = 1
mon_pg_warn_min_per_osd = 0
ms_bind_ipv4 = true
public_addr = $ip
cluster_addr = $ip
run_dir = $dir
admin_socket = $dir/\$name.\$pid.asok
log_file = $dir/log/\$name.log
keyring = $dir/keyring
[mon]
mon_data = $dir/mon
mon_osd_crush_smoke_test = false
[osd]
osd_data = $dir/osd
osd_objectstore = memstore
osd_memory_target = 939524096
memstore_device_bytes = 4294967296
memstore_page_size = 65536
osd_class_dir = $classes
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_data = $dir/rgw
rgw_frontends = beast endpoint=$ip:$port
rgw_dns_name =
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_run_sync_thread = false
rgw_enable_quota_threads = false
rgw_thread_pool_size = 64
CONF

monmaptool --create --fsid "$fsid" --addv a "[v2:$ip:$mon2,v1:$ip:$mon1]" monmap
ceph-authtool -C keyring --gen-key -n mon. --cap mon 'allow *'
ceph-authtool keyring --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool keyring --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
ceph-authtool keyring --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
ceph-mon -i a --mkfs --monmap monmap --keyring keyring
ceph-mon -i a --pid-file "$dir/mon.pid"

disk=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$disk"
ceph-osd -i 0 --mkfs --osd-uuid "$disk"
ceph osd crush add osd.0 1.0 root=default host=h0
ceph auth import -i keyring
ceph-osd -i 0 --pid-file "$dir/osd.pid"
for _ in $(seq 100); do
  ceph osd stat | grep -q '1 up' && break
  sleep 0.1
done

radosgw -n client.rgw --pid-file "$dir/rgw.pid"
radosgw-admin -n client.rgw user create --uid=owner --display-name=owner --access-key="$access" --secret-key="$secret"
for _ in $(seq 300); do
  # Bash's own TCP: no further program is needed to see that the gateway listens.
  if (exec 3<> "/dev/tcp/$ip/$port") 2> /dev/null; then exit 0; fi
  sleep 0.1
done
echo "the gateway does not listen on $ip:$port" >&2
exit 1
