//! Elements of the grid file with their admittance matrices.

use super::*;

impl Builder<'_> {
    pub(super) fn sources(&mut self) -> Result<Vec<SourceInfo>, BuildError> {
        let case = self.case;
        case.sources.iter().map(|s| self.source(s)).collect()
    }

    fn source(&mut self, s: &VoltageSource) -> Result<SourceInfo, BuildError> {
        let admittance =
            primitive::source_admittance(s).map_err(|e| impedance("source", &s.id, &e))?;
        let n = admittance.n;
        let mut nodes = self.refs(&s.at);
        match &s.from {
            Some(from) => nodes.extend(self.refs(from)),
            None => nodes.extend(std::iter::repeat_n(EARTH, n)),
        }
        let mut matrix = Matrix::zeros(2 * n);
        for i in 0..n {
            for j in 0..n {
                let y = admittance.at(i, j);
                matrix.set(i, j, y);
                matrix.set(i + n, j + n, y);
                matrix.set(i, j + n, -y);
                matrix.set(i + n, j, -y);
            }
        }
        let element = self.element(nodes, &matrix, Joins::All);
        Ok(SourceInfo {
            id: s.id.clone(),
            element,
            conductors: n,
            admittance,
            volts: primitive::source_voltages(s),
            around: Vec::new(),
            alone: false,
        })
    }

    pub(super) fn lines(&mut self) -> Result<Vec<LineInfo>, BuildError> {
        let case = self.case;
        let codes: BTreeMap<&str, _> = case.line_codes.iter().map(|c| (c.id.as_str(), c)).collect();
        case.lines
            .iter()
            .map(|line| {
                let code = codes.get(line.code.as_str());
                let z = line.per_km.as_ref().or(code.map(|c| &c.per_km));
                let z = z.ok_or_else(|| BuildError::Impedance {
                    kind: "line",
                    id: line.id.clone(),
                    message: "has no impedance".to_owned(),
                })?;
                let rating = line.norm_amps.or(code.map(|c| c.norm_amps));
                self.line(line, z, rating.filter(|a| *a > 0.0))
            })
            .collect()
    }

    fn line(
        &mut self,
        line: &Line,
        z: &gridloom_model::grid::LineImpedance,
        rating_a: Option<f64>,
    ) -> Result<LineInfo, BuildError> {
        let n = line.from.conductors.len();
        let matrix = primitive::line_admittance(z, n, line.km, self.case.base_frequency_hz)
            .map_err(|e| impedance("line", &line.id, &e))?;
        let mut nodes = self.refs(&line.from);
        nodes.extend(self.refs(&line.to));
        let element = self.element(nodes, &matrix, Joins::Straight);
        Ok(LineInfo {
            id: line.id.clone(),
            element,
            from_bus: self.bus_by_id.get(&line.from.bus).copied().unwrap_or(0),
            to_bus: self.bus_by_id.get(&line.to.bus).copied().unwrap_or(0),
            conductors: n,
            rating_a,
            is_link: line.is_link,
            open: [false; 2],
            broken: 0,
            charging: topology::has_charging(&matrix, n),
            closed_matrix: matrix,
        })
    }

    pub(super) fn transformers(&mut self) -> Result<Vec<TransformerInfo>, BuildError> {
        let case = self.case;
        case.transformers
            .iter()
            .map(|t| self.transformer(t))
            .collect()
    }

    fn transformer(&mut self, t: &Transformer) -> Result<TransformerInfo, BuildError> {
        let matrix = primitive::transformer_admittance(t)
            .map_err(|e| impedance("transformer", &t.id, &e))?;
        let mut nodes = Vec::new();
        let mut offsets = Vec::new();
        let mut buses = Vec::new();
        for w in &t.windings {
            offsets.push(nodes.len());
            buses.push(self.bus_by_id.get(&w.at.bus).copied().unwrap_or(0));
            nodes.extend(self.refs(&w.at));
        }
        let element = self.element(nodes, &matrix, Joins::All);
        Ok(TransformerInfo {
            element,
            case: t.clone(),
            offsets,
            buses,
        })
    }

    pub(super) fn regulators(&self) -> Vec<RegulatorInfo> {
        self.case
            .regulators
            .iter()
            .filter_map(|r| {
                let transformer = self
                    .case
                    .transformers
                    .iter()
                    .position(|t| t.id == r.transformer)?;
                let remote = r
                    .remote
                    .as_ref()
                    .and_then(|t| self.refs(t).first().copied());
                Some(RegulatorInfo::new(r.clone(), transformer, remote))
            })
            .collect()
    }

    /// Capacitor banks; those out of service keep their place in the matrix.
    pub(super) fn capacitors(&mut self) -> Vec<CapacitorInfo> {
        let case = self.case;
        case.capacitors
            .iter()
            .map(|c| {
                let full = primitive::capacitor_admittance(c, case.base_frequency_hz);
                let element = self.shunt(&c.at, c.to.as_ref(), &full);
                let info = CapacitorInfo::new(c, element, full, self.elements[element].joins);
                if !c.closed {
                    let offset = self.elements[element].offset;
                    self.primitive[offset..].fill(Complex::ZERO);
                    self.elements[element].joins = Joins::Nothing;
                }
                info
            })
            .collect()
    }

    /// Reactors, and the earthing of loads' star points.
    pub(super) fn shunts(&mut self) -> Vec<ReactorInfo> {
        let case = self.case;
        let mut reactors = Vec::new();
        for r in &case.reactors {
            let matrix = primitive::reactor_admittance(r);
            reactors.push(ReactorInfo {
                element: self.shunt(&r.at, r.to.as_ref(), &matrix),
                shunt: r.to.as_ref().is_none_or(|to| to.bus == r.at.bus),
            });
        }
        for load in &case.loads {
            if let Some(y) = primitive::load_neutral(load) {
                let mut matrix = Matrix::zeros(1);
                matrix.set(0, 0, y);
                let star = self.refs(&load.at).last().copied().unwrap_or(EARTH);
                self.element(vec![star], &matrix, Joins::Nothing);
            }
        }
        reactors
    }

    fn shunt(&mut self, at: &Terminal, to: Option<&Terminal>, matrix: &Matrix) -> usize {
        let mut nodes = self.refs(at);
        let joins = if nodes.len() == matrix.n {
            Joins::All
        } else {
            Joins::Straight
        };
        match to {
            Some(to) => nodes.extend(self.refs(to)),
            None => nodes.resize(matrix.n, EARTH),
        }
        self.element(nodes, matrix, joins)
    }
}
