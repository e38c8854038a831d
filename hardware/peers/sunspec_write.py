"""Writes a SunSpec device with pysunspec2 (1.3): a limit of 60 %, one of 110 %, a read-only point.
usage: sunspec_write.py tcp PORT | rtu PATH
Prints what was read back and the exceptions given."""
import sys

import sunspec2.modbus.client as client

if sys.argv[1] == "tcp":
    device = client.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=int(sys.argv[2]), timeout=5)
else:
    device = client.SunSpecModbusClientDeviceRTU(slave_id=1, name=sys.argv[2], baudrate=115200, timeout=5)
device.scan()
control = device.models[704][0]


def attempt(name, change):
    try:
        change()
        print(name, "accepted", sep="\t")
    except Exception as error:
        print(name, str(error).replace("\n", " "), sep="\t")


def limit(percent):
    def change():
        control.WMaxLimPct.cvalue = percent
        control.WMaxLimPctEna.value = 1
        control.write()
    return change


attempt("limit60", limit(60))
control.read()
print("read_back", control.WMaxLimPct.cvalue, control.WMaxLimPctEna.value, sep="\t")
attempt("limit110", limit(110))
control.read()
print("read_back", control.WMaxLimPct.cvalue, control.WMaxLimPctEna.value, sep="\t")


def read_only():
    device.write(device.models[701][0].model_addr + 10, b"\x12\x34")


attempt("read_only", read_only)
device.close()
