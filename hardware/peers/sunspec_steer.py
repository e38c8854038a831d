"""Steers a home with pysunspec2 (1.3): no output of its inverter, its battery charged with a power, both within the
limits; then a power beyond them. usage: sunspec_steer.py PORT UNIT WATTS
Prints for every attempt its name and "accepted" or the exception."""
import sys

import sunspec2.modbus.client as client

device = client.SunSpecModbusClientDeviceTCP(
    slave_id=int(sys.argv[2]), ipaddr="127.0.0.1", ipport=int(sys.argv[1]), timeout=10)
device.scan()
control = device.models[704][0]
watts = float(sys.argv[3])


def attempt(name, change):
    try:
        change()
        control.write()
        print(name, "accepted", sep="\t", flush=True)
    except Exception as error:
        print(name, str(error).replace("\n", " "), sep="\t", flush=True)
        control.read()


def limit():
    control.WMaxLimPct.cvalue = 0
    control.WMaxLimPctEna.value = 1


def charge(power):
    def change():
        control.WSet.cvalue = -power
        control.WSetEna.value = 1
    return change


attempt("limit", limit)
attempt("charge", charge(watts))
attempt("beyond", charge(100 * watts))
device.close()
