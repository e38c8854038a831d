"""A Modbus device by pymodbus (3.16): 40 input floats from 230.0 in steps of 0.25, writable holding registers 0 to 99.
usage: pymodbus_device.py tcp PORT [PORTS] | rtu PATH
Prints "ready" when it serves."""
import asyncio
import sys

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def meter(unit):
    inputs = [SimData(0, values=[230.0 + 0.25 * i for i in range(40)], datatype=DataType.FLOAT32)]
    holding = [SimData(0, values=[0] * 100, datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[False] * 32, datatype=DataType.BITS)]
    return SimDevice(id=unit, simdata=(bits, bits, holding, inputs))


async def main():
    if sys.argv[1] == "rtu":
        servers = [ModbusSerialServer([meter(1)], framer=FramerType.RTU, port=sys.argv[2], baudrate=19200)]
    else:
        ports = int(sys.argv[3]) if len(sys.argv) > 3 else 1
        servers = [ModbusTcpServer([meter(1)], address=("127.0.0.1", int(sys.argv[2]) + n)) for n in range(ports)]
    tasks = [asyncio.create_task(server.serve_forever()) for server in servers]
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


asyncio.run(main())
