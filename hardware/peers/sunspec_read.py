"""Scans a SunSpec device with pysunspec2 (1.3) and prints every point.
usage: sunspec_read.py tcp PORT | rtu PATH
Output, parted by tabs: model, path (groups counted from 1), value in the registers or None."""
import sys

import sunspec2.modbus.client as client

if sys.argv[1] == "tcp":
    device = client.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=int(sys.argv[2]), timeout=5)
else:
    device = client.SunSpecModbusClientDeviceRTU(slave_id=1, name=sys.argv[2], baudrate=115200, timeout=5)
device.scan()


def show(model_id, group, prefix):
    for name, point in group.points.items():
        print(model_id, prefix + name, point.value, sep="\t")
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for nth, one in enumerate(inner):
                show(model_id, one, f"{prefix}{name}{nth + 1}.")
        else:
            show(model_id, inner, f"{prefix}{name}.")


for model in device.model_list:
    show(model.model_id, model, "")
device.close()
