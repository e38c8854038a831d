//! Which requests read a set of points.

use super::{Area, Point, Profile};

/// One request and the points it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Table.
    pub area: Area,
    /// First register or bit.
    pub addr: u16,
    /// Registers or bits.
    pub count: u16,
    /// Positions of the points in the profile.
    pub points: Vec<usize>,
}

/// What a request may cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits<'a> {
    /// Most registers or bits.
    pub max_regs: u16,
    /// Most unneeded registers between two points.
    pub max_gap: u16,
    /// Addresses a request must not cross.
    pub barriers: &'a [u16],
}

impl Profile {
    /// Limits of the profile.
    #[must_use]
    pub fn plan_limits(&self) -> PlanLimits<'_> {
        PlanLimits {
            max_regs: self.max_regs,
            max_gap: self.max_gap,
            barriers: &self.barriers,
        }
    }
}

/// Merges the chosen points into as few requests as the limits allow.
///
/// Points are taken in address order and added to the running request while
/// the gap, the length and the barriers allow it; on one axis that is optimal.
/// A point with a scale factor register is read together with it. Positions
/// beyond the list are left out.
#[must_use]
pub fn plan_blocks(
    points: &[Point],
    chosen: impl IntoIterator<Item = usize>,
    limits: PlanLimits<'_>,
) -> Vec<Block> {
    let mut spans: Vec<(Area, u16, u16, usize)> = chosen
        .into_iter()
        .filter_map(|index| {
            let point = points.get(index)?;
            let (first, last) = point.span();
            Some((point.area, first, last, index))
        })
        .collect();
    spans.sort_unstable();
    let mut blocks: Vec<Block> = Vec::new();
    for (area, first, last, index) in spans {
        if let Some(block) = blocks.last_mut()
            && fits(block, area, first, last, limits)
        {
            let end = last.max(block.addr + (block.count - 1));
            block.count = end - block.addr + 1;
            block.points.push(index);
            continue;
        }
        blocks.push(Block {
            area,
            addr: first,
            // A span of 65,536 registers is refused when the profile is checked.
            count: (last - first).saturating_add(1),
            points: vec![index],
        });
    }
    blocks
}

fn fits(block: &Block, area: Area, first: u16, last: u16, limits: PlanLimits<'_>) -> bool {
    let block_last = block.addr + (block.count - 1);
    let end = last.max(block_last);
    area == block.area
        && u32::from(end) - u32::from(block.addr) < u32::from(limits.max_regs)
        && first.saturating_sub(block_last.saturating_add(1)) <= limits.max_gap
        && !limits
            .barriers
            .iter()
            .any(|barrier| block.addr < *barrier && *barrier <= end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{PointType, PollGroup, Scale, WordOrder};
    use super::*;

    fn points(addrs: &[u16]) -> Vec<Point> {
        addrs
            .iter()
            .map(|addr| Point {
                id: format!("p{addr}"),
                area: Area::Input,
                addr: *addr,
                ty: PointType::F32,
                order: WordOrder::Abcd,
                scale: Scale::Fixed(1.0),
                negate: false,
                unit: String::new(),
                poll: PollGroup::Fast,
                invalid: vec![],
                range: None,
                write: None,
            })
            .collect()
    }

    #[test]
    fn near_points_share_a_request_and_barriers_part_them() {
        let points = points(&[0, 2, 4, 52, 70]);
        let limits = PlanLimits {
            max_regs: 60,
            max_gap: 8,
            barriers: &[],
        };
        let plan = |limits| {
            plan_blocks(&points, 0..points.len(), limits)
                .iter()
                .map(|block| (block.addr, block.count))
                .collect::<Vec<_>>()
        };
        assert_eq!(plan(limits), [(0, 6), (52, 2), (70, 2)]);
        assert_eq!(
            plan(PlanLimits {
                max_gap: 60,
                ..limits
            }),
            [(0, 54), (70, 2)]
        );
        assert_eq!(
            plan(PlanLimits {
                barriers: &[4],
                ..limits
            }),
            [(0, 4), (4, 2), (52, 2), (70, 2)]
        );
    }

    proptest! {
        #[test]
        fn every_point_is_read_whole_within_the_limits(
            addrs in proptest::collection::btree_set(0_u16..300, 1..40),
            max_regs in 2_u16..125,
            max_gap in 0_u16..20,
        ) {
            let addrs: Vec<u16> = addrs.into_iter().map(|addr| addr * 2).collect();
            let points = points(&addrs);
            let barriers = [100, 200];
            let limits = PlanLimits { max_regs, max_gap, barriers: &barriers };
            let blocks = plan_blocks(&points, 0..points.len(), limits);
            let mut read: Vec<usize> = Vec::new();
            for block in &blocks {
                prop_assert!(block.count <= max_regs);
                prop_assert!(!barriers.iter().any(|b| block.addr < *b && *b < block.addr + block.count));
                for index in &block.points {
                    let (first, last) = points[*index].span();
                    prop_assert!(block.addr <= first && last < block.addr + block.count);
                    read.push(*index);
                }
            }
            read.sort_unstable();
            prop_assert_eq!(read, (0..points.len()).collect::<Vec<_>>());
        }
    }
}
