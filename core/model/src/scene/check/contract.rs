//! The contract template and the preference sets.

use gridloom_contract::Problem;

use super::Check;
use crate::scene::spans::At;

impl<'a> Check<'a, '_, '_> {
    pub(super) fn contract(&mut self) {
        let scene = self.scene;
        self.terms(self.root.field("contract"), &scene.contract.validate());
        for (n, cluster) in scene.clusters.iter().enumerate() {
            if let Some(contract) = &cluster.contract {
                let at = self.root.field("clusters").item(n).field("contract");
                self.terms(at, &contract.validate());
            }
        }
        let sets = self.root.field("preferences");
        if scene.preferences.is_empty() {
            self.report
                .say(sets, "there is no preference set", "write at least one");
        }
        for (name, preferences) in &scene.preferences {
            self.terms(sets.field(name), &preferences.validate());
        }
    }

    fn terms(&mut self, at: At<'a>, problems: &[Problem]) {
        for problem in problems {
            let place = problem.field.split('.').fold(at, At::field);
            self.report.say(
                place,
                format!("{}: {}", problem.field, problem.what),
                problem.hint,
            );
        }
    }
}
