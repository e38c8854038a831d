"""Derives GridInter from Inter: equal-width digits in the character map, a subset, a new name."""

import sys

from fontTools import subset
from fontTools.ttLib import TTFont


def equal_width_forms(font):
    """The single substitutions of the `tnum` feature."""
    gsub = font["GSUB"].table
    forms = {}
    for record in gsub.FeatureList.FeatureRecord:
        if record.FeatureTag != "tnum":
            continue
        for index in record.Feature.LookupListIndex:
            for table in gsub.LookupList.Lookup[index].SubTable:
                table = getattr(table, "ExtSubTable", table)
                forms.update(getattr(table, "mapping", {}))
    return forms


def stand_alone(font):
    """Gives all digits one width and no kerning, so that a value keeps its width while digits change."""
    cmap = font.getBestCmap()
    digits = {cmap[code] for code in range(0x30, 0x3A)}
    width = max(font["hmtx"][glyph][0] for glyph in digits)
    for glyph in digits:
        font["hmtx"][glyph] = (width, font["hmtx"][glyph][1])
    for lookup in font["GPOS"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            table = getattr(table, "ExtSubTable", table)
            if table.LookupType != 2:
                continue
            before = list(table.Coverage.glyphs)
            table.Coverage.glyphs = [glyph for glyph in before if glyph not in digits]
            if table.Format == 1:
                pairs = [p for glyph, p in zip(before, table.PairSet) if glyph not in digits]
                for pair in pairs:
                    pair.PairValueRecord = [r for r in pair.PairValueRecord if r.SecondGlyph not in digits]
                table.PairSet = pairs
            else:
                for classes in (table.ClassDef1, table.ClassDef2):
                    for glyph in digits:
                        classes.classDefs.pop(glyph, None)


def rename(font, style):
    for name in list(font["name"].names):
        if name.nameID in (1, 3, 4, 6, 16, 25):
            words = name.toUnicode().replace("Inter", "GridInter")
            font["name"].setName(words, name.nameID, name.platformID, name.platEncID, name.langID)
    cff = font["CFF "].cff
    cff.fontNames[0] = f"GridInter-{style}"
    cff.topDictIndex[0].FullName = f"GridInter {style}"
    cff.topDictIndex[0].FamilyName = "GridInter"


def main(source, target, style):
    font = TTFont(source)
    forms = equal_width_forms(font)
    # Digits and signs; space and period read better narrow.
    wanted = [*range(0x30, 0x3A), 0x2B, 0x2D, 0x2212]
    for table in font["cmap"].tables:
        for code in wanted:
            if table.cmap.get(code) in forms:
                table.cmap[code] = forms[table.cmap[code]]
    stand_alone(font)
    rename(font, style)
    options = subset.Options(
        layout_features=["kern", "mark", "mkmk", "ccmp"], name_IDs=["*"], notdef_outline=True, hinting=False
    )
    keep = [*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2000, 0x2070), *range(0x20A0, 0x20C0)]
    keep += [*range(0x2190, 0x2194), 0x2126, 0x2206, 0x2211, 0x2212, 0x221A, 0x221E, 0x2248, 0x2260, 0x2264, 0x2265, 0xFFFD]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=keep)
    subsetter.subset(font)
    font.save(target)


if __name__ == "__main__":
    main(*sys.argv[1:4])
