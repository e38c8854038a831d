"""Second opinion on P1 telegrams: prints what dsmr_parser (1.11) makes of every value.
usage: p1_values.py FOLDER   (telegrams as on the wire, *.txt)
Output, parted by tabs: file, OBIS code, number of the value in its object, kind, value, unit."""
import datetime
import decimal
import pathlib
import re
import sys

from dsmr_parser import telegram_specifications as specs
from dsmr_parser.parsers import TelegramParser

BY_NAME = [
    ("V2_2", specs.V2_2), ("V3", specs.V3), ("V4", specs.V4), ("FLUVIUS", specs.BELGIUM_FLUVIUS),
    ("EON_HU", specs.EON_HUNGARY), ("SAGEMCOM", specs.SAGEMCOM_T210_D_R), ("ESY5Q3D", specs.Q3D),
    ("ISKRA_IE", specs.ISKRA_IE), ("UNPADDED", specs.V5), ("V5", specs.V5),
]


def emit(name, code, index, entry):
    value, unit = entry.get("value"), entry.get("unit") or ""
    if isinstance(value, datetime.datetime):
        print(name, code, index, "time", int(value.timestamp() * 1000), unit, sep="\t")
    elif isinstance(value, (int, float, decimal.Decimal)):
        print(name, code, index, "number", value, unit, sep="\t")
    elif value is not None:
        print(name, code, index, "text", value, unit, sep="\t")


for path in sorted(pathlib.Path(sys.argv[1]).glob("*.txt")):
    name = path.stem
    spec = next(spec for part, spec in BY_NAME if part in name)
    text = path.read_bytes().decode("latin-1")
    if spec["checksum_support"]:
        TelegramParser.validate_checksum(text)
    for item in spec["objects"]:
        for match in re.findall(item["obis_reference"], text, re.DOTALL | re.MULTILINE):
            code = match.split("(")[0].strip()
            found = item["value_parser"].parse(match)
            if isinstance(found, list):  # demand peaks, three values each behind count and two codes
                for nth, peak in enumerate(found):
                    for at, entry in enumerate(peak.values):
                        emit(name, code, 3 + 3 * nth + at, entry)
            elif hasattr(found, "buffer"):  # power failures, two values each behind count and code
                for nth, failure in enumerate(found.buffer):
                    for at, entry in enumerate(failure.values):
                        emit(name, code, 2 + 2 * nth + at, entry)
            else:
                for at, entry in enumerate(found.values):
                    emit(name, code, at, entry)
