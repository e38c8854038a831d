//! Classes of the deck language and the order of their properties.
//!
//! The order gives values without a name their meaning and decides which
//! property an abbreviation stands for.

/// A class of elements.
#[derive(Debug)]
pub(crate) struct Class {
    /// Name, lower case.
    pub(crate) name: &'static str,
    /// Properties in order, lower case.
    pub(crate) properties: &'static [&'static str],
    /// What the reader does with it.
    pub(crate) use_of: Use,
}

/// What the reader does with a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Becomes part of the grid.
    Model,
    /// Measures or reports only; not needed for the physics.
    Observer,
    /// Acts on the network in a way this reader does not carry over.
    Ignored,
}

/// Properties that every circuit element has after its own.
const COMMON: &[&str] = &[
    "normamps",
    "emergamps",
    "faultrate",
    "pctperm",
    "repair",
    "basefreq",
    "enabled",
    "like",
    "spectrum",
];

macro_rules! class {
    ($name:literal, $use_of:ident, [$($p:literal),* $(,)?]) => {
        Class {
            name: $name,
            properties: &[$($p),*],
            use_of: Use::$use_of,
        }
    };
}

/// Every class known to the reader.
pub(crate) const CLASSES: &[Class] = &[
    class!(
        "vsource",
        Model,
        [
            "bus1",
            "basekv",
            "pu",
            "angle",
            "frequency",
            "phases",
            "mvasc3",
            "mvasc1",
            "x1r1",
            "x0r0",
            "isc3",
            "isc1",
            "r1",
            "x1",
            "r0",
            "x0",
            "scantype",
            "sequence",
            "bus2",
            "z1",
            "z0",
            "z2",
            "puz1",
            "puz0",
            "puz2",
            "basemva",
            "yearly",
            "daily",
            "duty",
            "model",
            "puzideal",
        ]
    ),
    class!(
        "linecode",
        Model,
        [
            "nphases",
            "r1",
            "x1",
            "r0",
            "x0",
            "c1",
            "c0",
            "units",
            "rmatrix",
            "xmatrix",
            "cmatrix",
            "basefreq",
            "normamps",
            "emergamps",
            "faultrate",
            "pctperm",
            "repair",
            "kron",
            "rg",
            "xg",
            "rho",
            "neutral",
            "b1",
            "b0",
            "seasons",
            "ratings",
            "linetype",
        ]
    ),
    class!(
        "line",
        Model,
        [
            "bus1",
            "bus2",
            "linecode",
            "length",
            "phases",
            "r1",
            "x1",
            "r0",
            "x0",
            "c1",
            "c0",
            "rmatrix",
            "xmatrix",
            "cmatrix",
            "switch",
            "rg",
            "xg",
            "rho",
            "geometry",
            "units",
            "spacing",
            "wires",
            "earthmodel",
            "cncables",
            "tscables",
            "b1",
            "b0",
            "seasons",
            "ratings",
            "linetype",
        ]
    ),
    class!(
        "wiredata",
        Model,
        [
            "rdc",
            "rac",
            "runits",
            "gmrac",
            "gmrunits",
            "radius",
            "radunits",
            "normamps",
            "emergamps",
            "diam",
            "seasons",
            "ratings",
            "capradius",
        ]
    ),
    class!(
        "linegeometry",
        Model,
        [
            "nconds",
            "nphases",
            "cond",
            "wire",
            "x",
            "h",
            "units",
            "normamps",
            "emergamps",
            "reduce",
            "spacing",
            "wires",
            "cncable",
            "tscable",
            "cncables",
            "tscables",
            "seasons",
            "ratings",
            "linetype",
        ]
    ),
    class!(
        "loadshape",
        Model,
        [
            "npts",
            "interval",
            "mult",
            "hour",
            "mean",
            "stddev",
            "csvfile",
            "sngfile",
            "dblfile",
            "action",
            "qmult",
            "useactual",
            "pmax",
            "qmax",
            "sinterval",
            "minterval",
            "pbase",
            "qbase",
            "pmult",
            "pqcsvfile",
            "memorymapping",
            "interpolation",
        ]
    ),
    class!(
        "xfmrcode",
        Model,
        [
            "phases",
            "windings",
            "wdg",
            "conn",
            "kv",
            "kva",
            "tap",
            "%r",
            "rneut",
            "xneut",
            "conns",
            "kvs",
            "kvas",
            "taps",
            "xhl",
            "xht",
            "xlt",
            "xscarray",
            "thermal",
            "n",
            "m",
            "flrise",
            "hsrise",
            "%loadloss",
            "%noloadloss",
            "normhkva",
            "emerghkva",
            "maxtap",
            "mintap",
            "numtaps",
            "%imag",
            "ppm_antifloat",
            "%rs",
            "x12",
            "x13",
            "x23",
            "rdcohms",
            "seasons",
            "ratings",
        ]
    ),
    class!(
        "transformer",
        Model,
        [
            "phases",
            "windings",
            "wdg",
            "bus",
            "conn",
            "kv",
            "kva",
            "tap",
            "%r",
            "rneut",
            "xneut",
            "buses",
            "conns",
            "kvs",
            "kvas",
            "taps",
            "xhl",
            "xht",
            "xlt",
            "xscarray",
            "thermal",
            "n",
            "m",
            "flrise",
            "hsrise",
            "%loadloss",
            "%noloadloss",
            "normhkva",
            "emerghkva",
            "sub",
            "maxtap",
            "mintap",
            "numtaps",
            "subname",
            "%imag",
            "ppm_antifloat",
            "%rs",
            "bank",
            "xfmrcode",
            "xrconst",
            "x12",
            "x13",
            "x23",
            "leadlag",
            "wdgcurrents",
            "core",
            "rdcohms",
            "seasons",
            "ratings",
        ]
    ),
    class!(
        "regcontrol",
        Model,
        [
            "transformer",
            "winding",
            "vreg",
            "band",
            "ptratio",
            "ctprim",
            "r",
            "x",
            "bus",
            "delay",
            "reversible",
            "revvreg",
            "revband",
            "revr",
            "revx",
            "tapdelay",
            "debugtrace",
            "maxtapchange",
            "inversetime",
            "tapwinding",
            "vlimit",
            "ptphase",
            "revthreshold",
            "revdelay",
            "revneutral",
            "eventlog",
            "remoteptratio",
            "tapnum",
            "reset",
            "ldc_z",
            "rev_z",
            "cogen",
        ]
    ),
    class!(
        "load",
        Model,
        [
            "phases",
            "bus1",
            "kv",
            "kw",
            "pf",
            "model",
            "yearly",
            "daily",
            "duty",
            "growth",
            "conn",
            "kvar",
            "rneut",
            "xneut",
            "status",
            "class",
            "vminpu",
            "vmaxpu",
            "vminnorm",
            "vminemerg",
            "xfkva",
            "allocationfactor",
            "kva",
            "%mean",
            "%stddev",
            "cvrwatts",
            "cvrvars",
            "kwh",
            "kwhdays",
            "cfactor",
            "cvrcurve",
            "numcust",
            "zipv",
            "%seriesrl",
            "relweight",
            "vlowpu",
            "puxharm",
            "xrharm",
        ]
    ),
    class!(
        "capacitor",
        Model,
        [
            "bus1", "bus2", "phases", "kvar", "kv", "conn", "cmatrix", "cuf", "r", "xl", "harm",
            "numsteps", "states",
        ]
    ),
    class!(
        "reactor",
        Model,
        [
            "bus1", "bus2", "phases", "kvar", "kv", "conn", "rmatrix", "xmatrix", "parallel", "r",
            "x", "rp", "z1", "z2", "z0", "z", "rcurve", "lcurve", "lmh",
        ]
    ),
    class!(
        "generator",
        Model,
        [
            "phases",
            "bus1",
            "kv",
            "kw",
            "pf",
            "kvar",
            "model",
            "vminpu",
            "vmaxpu",
            "yearly",
            "daily",
            "duty",
            "dispmode",
            "dispvalue",
            "conn",
            "status",
            "class",
            "vpu",
            "maxkvar",
            "minkvar",
            "pvfactor",
            "forceon",
            "kva",
            "mva",
            "xd",
            "xdp",
            "xdpp",
            "h",
            "d",
            "usermodel",
            "userdata",
            "shaftmodel",
            "shaftdata",
            "dutystart",
            "debugtrace",
            "balanced",
            "xrdp",
        ]
    ),
    class!(
        "pvsystem",
        Model,
        [
            "phases",
            "bus1",
            "kv",
            "irradiance",
            "pmpp",
            "%pmpp",
            "temperature",
            "pf",
            "conn",
            "kvar",
            "kva",
            "%cutin",
            "%cutout",
            "effcurve",
            "p-tcurve",
            "%r",
            "%x",
            "model",
            "vminpu",
            "vmaxpu",
            "balanced",
            "limitcurrent",
            "yearly",
            "daily",
            "duty",
            "tyearly",
            "tdaily",
            "tduty",
            "class",
            "usermodel",
            "userdata",
            "debugtrace",
            "varfollowinverter",
            "dutystart",
            "wattpriority",
            "pfpriority",
            "%pminnovars",
            "%pminkvarmax",
            "kvarmax",
            "kvarmaxabs",
        ]
    ),
    class!(
        "xycurve",
        Ignored,
        [
            "npts", "points", "yarray", "xarray", "csvfile", "sngfile", "dblfile", "x", "y",
            "xshift", "yshift", "xscale", "yscale",
        ]
    ),
    class!(
        "storage",
        Model,
        [
            "phases",
            "bus1",
            "kv",
            "conn",
            "kw",
            "kvar",
            "pf",
            "kva",
            "%cutin",
            "%cutout",
            "effcurve",
            "varfollowinverter",
            "kvarmax",
            "kvarmaxabs",
            "wattpriority",
            "pfpriority",
            "%pminnovars",
            "%pminkvarmax",
            "kwrated",
            "%kwrated",
            "kwhrated",
            "kwhstored",
            "%stored",
            "%reserve",
            "state",
            "%discharge",
            "%charge",
            "%effcharge",
            "%effdischarge",
            "%idlingkw",
            "%idlingkvar",
            "%r",
            "%x",
            "model",
            "vminpu",
            "vmaxpu",
            "balanced",
            "limitcurrent",
            "yearly",
            "daily",
            "duty",
            "dispmode",
            "dischargetrigger",
            "chargetrigger",
            "timechargetrig",
            "class",
        ]
    ),
    class!("invcontrol", Ignored, ["derlist", "mode"]),
    class!("storagecontroller", Ignored, ["element"]),
    class!(
        "capcontrol",
        Ignored,
        ["element", "terminal", "capacitor", "type"]
    ),
    class!(
        "swtcontrol",
        Ignored,
        ["switchedobj", "switchedterm", "action", "lock", "delay"]
    ),
    class!("relay", Ignored, ["monitoredobj"]),
    class!("recloser", Ignored, ["monitoredobj"]),
    class!("fuse", Ignored, ["monitoredobj"]),
    class!("fault", Ignored, ["bus1", "bus2", "phases", "r"]),
    class!("isource", Ignored, ["bus1", "amps", "angle"]),
    class!("tcc_curve", Observer, ["npts"]),
    class!("spectrum", Observer, ["numharm"]),
    class!("growthshape", Observer, ["npts"]),
    class!("tshape", Observer, ["npts"]),
    class!("linespacing", Ignored, ["nconds"]),
    class!("cndata", Ignored, ["k"]),
    class!("tsdata", Ignored, ["diashield"]),
    class!("monitor", Observer, ["element", "terminal", "mode"]),
    class!("energymeter", Observer, ["element", "terminal"]),
    class!("sensor", Observer, ["element", "terminal"]),
];

impl Class {
    /// A class by name, lower case.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        CLASSES.iter().find(|c| c.name == name)
    }

    /// A property by name or by the beginning of its name.
    pub(crate) fn property(&self, name: &str) -> Option<&'static str> {
        let all = || self.properties.iter().chain(COMMON);
        all()
            .find(|p| **p == name)
            .or_else(|| all().find(|p| p.starts_with(name)))
            .copied()
    }

    /// The property after another, for values without a name.
    pub(crate) fn after(&self, property: Option<&str>) -> Option<&'static str> {
        let all: Vec<&'static str> = self.properties.iter().chain(COMMON).copied().collect();
        match property {
            None => all.first().copied(),
            Some(last) => {
                let at = all.iter().position(|p| *p == last)?;
                all.get(at + 1).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_or_by_their_beginning() {
        let line = Class::find("line").expect("known");
        assert_eq!(line.property("len"), Some("length"));
        assert_eq!(line.property("r1"), Some("r1"));
        assert_eq!(line.property("nothing"), None);
        assert_eq!(line.after(None), Some("bus1"));
        assert_eq!(line.after(Some("bus1")), Some("bus2"));
        let transformer = Class::find("transformer").expect("known");
        assert_eq!(transformer.property("ppm"), Some("ppm_antifloat"));
    }
}
