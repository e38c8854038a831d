"""Reads one holding register with pymodbus (3.16) and prints it.
usage: pymodbus_read.py PORT REGISTER"""
import sys

from pymodbus.client import ModbusTcpClient

client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]), timeout=3)
client.connect()
print(client.read_holding_registers(int(sys.argv[2]), count=1, device_id=1).registers[0])
client.close()
