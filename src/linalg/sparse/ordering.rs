//! An order of elimination that keeps a Cholesky factor sparse: nested dissection above, minimum degree below.
//!
//! The graph of M is cut in two by a small set of vertices, which come last; each half is cut again, and what is small enough is
//! ordered by approximate minimum degree (faer's AMD). Against minimum degree alone this makes less fill on grids (George 1973,
//! doi:10.1137/0710032), and the halves are independent: in the ordering and, more so, in the factorization, whose tree of
//! elimination branches at each cut.
//!
//! A cut is a level of a breadth-first search from a vertex at the rim (George & Liu 1978, SIAM J. Numer. Anal. 15): the
//! smallest among the middle ones, less those of its vertices that do not touch the next level. Where that is not small, in graphs
//! that have no small cuts, minimum degree has the whole. Vertices with very many neighbours are put last before anything else.
//!
//! Cost: three passes over the entries for each level of cuts, then minimum degree. The order depends on the pattern alone, not on
//! the number of threads.

use super::accumulate;
use crate::linalg::vectors::both;
use crate::linalg::{Threads, take_turns};
use core::sync::atomic::{AtomicBool, Ordering};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::SymbolicSparseColMatRef;
use faer::sparse::linalg::amd;

/// Vertices from which on a graph is cut. Ordering and factorization of a 500×500 grid took the same time with a quarter of it, a
/// tenth more with four times as much.
const CUT_FROM: usize = 10_000;
/// A cut of n vertices has at most n to this power: that of a cube of grid points; a square has n^½.
const CUT_POWER: f64 = 2.0 / 3.0;
/// And at least a square of its size in this many: graphs that are much longer than wide gain nothing from cuts, since minimum degree
/// goes along them. A strip of 4000 by 10 points took twice the flops.
const LONGEST: usize = 8;
/// Each side of a cut has this share of the vertices at least.
const LEAST_SHARE: f64 = 0.4;
/// A vertex with more than this many times √n neighbours comes last, as in AMD itself.
const HEAVY: f64 = 10.0;
/// See [`HEAVY`].
const HEAVY_LEAST: usize = 16;

/// New index → old; `None` when memory does not suffice.
pub fn fill_reducing(graph: &Graph, threads: Threads) -> Option<Vec<usize>> {
    let n = graph.len();
    let most = HEAVY_LEAST.max((HEAVY * (n as f64).sqrt()) as usize);
    let side: Vec<Side> = (0..n).map(|v| if graph.neighbours(v).len() > most { Side::Cut } else { Side::Left }).collect();
    let mut order = vec![0; n];
    match side.contains(&Side::Cut) {
        true => {
            let light = graph.part(&side, Side::Left, &(0..n).collect::<Vec<_>>());
            let (first, last) = order.split_at_mut(light.1.len());
            light.0.ordered(&light.1, first, threads)?;
            last.iter_mut().zip((0..n).filter(|&v| side[v] == Side::Cut)).for_each(|(place, v)| *place = v);
        }
        false => graph.ordered(&(0..n).collect::<Vec<_>>(), &mut order, threads)?,
    }
    Some(order)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Cut,
}

/// The level of a vertex before it is reached.
const UNSEEN: u32 = u32::MAX;

/// The neighbours of each vertex, in half the memory of `usize`, which is what a search through them costs.
pub(super) struct Graph {
    starts: Vec<usize>,
    neighbours: Vec<u32>,
}

/// What is not cut any further.
struct Leaf<'o> {
    graph: Graph,
    names: Vec<usize>,
    order: &'o mut [usize],
}

impl Graph {
    /// Of the entries off the diagonal of a lower triangle; `None` where there are too many vertices.
    pub fn new(lower_starts: &[usize], indices: &[usize]) -> Option<Self> {
        let n = lower_starts.len() - 1;
        if n >= u32::MAX as usize {
            return None;
        }
        let edges = |visit: &mut dyn FnMut(usize, usize)| {
            for j in 0..n {
                indices[lower_starts[j]..lower_starts[j + 1]].iter().filter(|&&i| i != j).for_each(|&i| visit(i, j));
            }
        };
        let mut starts = vec![0usize; n + 1];
        edges(&mut |i, j| {
            starts[i + 1] += 1;
            starts[j + 1] += 1;
        });
        accumulate(&mut starts);
        let mut next = starts.clone();
        let mut neighbours = vec![0; starts[n]];
        edges(&mut |i, j| {
            for (of, other) in [(i, j), (j, i)] {
                neighbours[next[of]] = other as u32;
                next[of] += 1;
            }
        });
        Some(Self { starts, neighbours })
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn neighbours(&self, v: usize) -> &[u32] {
        &self.neighbours[self.starts[v]..self.starts[v + 1]]
    }

    /// Writes the names of the vertices in their order.
    fn ordered(&self, names: &[usize], order: &mut [usize], threads: Threads) -> Option<()> {
        let Some(side) = self.cut() else { return self.minimum_degree(names, order) };
        let mut leaves = self.divided(&side, names, order, threads.0);
        leaves.sort_by_key(|leaf| core::cmp::Reverse(leaf.graph.neighbours.len()));
        let done = AtomicBool::new(true);
        take_turns(
            leaves,
            threads,
            || (),
            |(), Leaf { graph, names, order }| {
                if graph.minimum_degree(&names, order).is_none() {
                    done.store(false, Ordering::Relaxed);
                }
            },
        );
        done.into_inner().then_some(())
    }

    /// Writes the names of the vertices of this cut and of all further ones in their places, and returns what is left to be ordered.
    fn divided<'o>(&self, side: &[Side], names: &[usize], order: &'o mut [usize], threads: usize) -> Vec<Leaf<'o>> {
        let count = |which: Side| side.iter().filter(|&&s| s == which).count();
        let (left, rest) = order.split_at_mut(count(Side::Left));
        let (right, last) = rest.split_at_mut(count(Side::Right));
        last.iter_mut().zip((0..self.len()).filter(|&v| side[v] == Side::Cut)).for_each(|(place, v)| *place = names[v]);
        let half = |which: Side, order: &'o mut [usize], threads: usize| {
            let (graph, names) = self.part(side, which, names);
            match graph.cut() {
                Some(side) => graph.divided(&side, &names, order, threads),
                None => vec![Leaf { graph, names, order }],
            }
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        if threads > 1 {
            both(|| first = half(Side::Left, left, threads / 2), || second = half(Side::Right, right, threads - threads / 2));
        } else {
            (first, second) = (half(Side::Left, left, 1), half(Side::Right, right, 1));
        }
        first.append(&mut second);
        first
    }

    /// The vertices of one side, with their names.
    fn part(&self, side: &[Side], which: Side, names: &[usize]) -> (Self, Vec<usize>) {
        const ELSEWHERE: u32 = u32::MAX;
        let kept: Vec<usize> = (0..self.len()).filter(|&v| side[v] == which).collect();
        let mut place = vec![ELSEWHERE; self.len()];
        kept.iter().enumerate().for_each(|(k, &v)| place[v] = k as u32);
        let mut part = Self { starts: Vec::with_capacity(kept.len() + 1), neighbours: Vec::new() };
        part.starts.push(0);
        for &v in &kept {
            part.neighbours.extend(self.neighbours(v).iter().map(|&w| place[w as usize]).filter(|&w| w != ELSEWHERE));
            part.starts.push(part.neighbours.len());
        }
        (part, kept.iter().map(|&v| names[v]).collect())
    }

    /// Where each vertex belongs; `None` for graphs that are small, in many pieces or without a small cut.
    fn cut(&self) -> Option<Vec<Side>> {
        let n = self.len();
        if n < CUT_FROM {
            return None;
        }
        let mut level = vec![UNSEEN; n];
        let mut piece = Levels::default();
        for v in 0..n {
            if level[v] == UNSEEN {
                let found = self.levels(v, &mut level);
                piece = if found.reached > piece.reached { found } else { piece };
            }
        }
        level.fill(UNSEEN);
        let Levels { sizes, reached, .. } = self.levels(piece.last, &mut level);
        let least = (LEAST_SHARE * n as f64) as usize;
        if reached < n - least {
            let side = |v: usize| if level[v] == UNSEEN { Side::Right } else { Side::Left };
            return (reached >= least).then(|| (0..n).map(side).collect());
        }
        // what lies in other pieces goes to the right
        let mut before = 0;
        let mut best = None;
        for (k, &size) in sizes.iter().enumerate() {
            if before >= least && n - before - size >= least && best.is_none_or(|(smallest, _)| size < smallest) {
                best = Some((size, k));
            }
            before += size;
        }
        let (size, cut) = best?;
        let worth = size as f64 <= (n as f64).powf(CUT_POWER) && LONGEST * size * size >= n;
        worth.then(|| {
            let side = |v: usize| match level[v] {
                own if own > cut as u32 => Side::Right,
                own if own == cut as u32 && self.neighbours(v).iter().any(|&w| level[w as usize] > own) => Side::Cut,
                _ => Side::Left,
            };
            (0..n).map(side).collect()
        })
    }

    /// How far each vertex is from one of them; those of other pieces are left as they are.
    fn levels(&self, from: usize, level: &mut [u32]) -> Levels {
        level[from] = 0;
        let (mut queue, mut sizes) = (vec![from as u32], Vec::new());
        let mut done = 0;
        while done < queue.len() {
            let end = queue.len();
            sizes.push(end - done);
            for k in done..end {
                for &w in self.neighbours(queue[k] as usize) {
                    let level = &mut level[w as usize];
                    if *level == UNSEEN {
                        *level = sizes.len() as u32;
                        queue.push(w);
                    }
                }
            }
            done = end;
        }
        Levels { sizes, reached: queue.len(), last: queue[done - 1] as usize }
    }

    fn minimum_degree(&self, names: &[usize], order: &mut [usize]) -> Option<()> {
        let n = self.len();
        if n == 0 {
            return Some(());
        }
        let (mut starts, mut indices) = (Vec::with_capacity(n + 1), Vec::with_capacity(self.neighbours.len() / 2));
        starts.push(0);
        for v in 0..n {
            indices.extend(self.neighbours(v).iter().map(|&w| w as usize).filter(|&w| w > v));
            starts.push(indices.len());
        }
        let (mut forward, mut inverse) = (vec![0usize; n], vec![0usize; n]);
        let mut memory = MemBuffer::try_new(amd::order_maybe_unsorted_scratch::<usize>(n, indices.len())).ok()?;
        let lower = SymbolicSparseColMatRef::new_checked(n, n, &starts, None, &indices);
        let stack = MemStack::new(&mut memory);
        amd::order_maybe_unsorted(&mut forward, &mut inverse, lower, Default::default(), stack).ok()?;
        order.iter_mut().zip(forward).for_each(|(place, v)| *place = names[v]);
        Some(())
    }
}

/// What a breadth-first search saw.
#[derive(Default)]
struct Levels {
    sizes: Vec<usize>,
    reached: usize,
    /// One of the vertices farthest away.
    last: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::sparse::{Analysis, Lower};
    use crate::random::Random;

    /// The lower triangle with these pairs.
    fn lower(n: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Lower<f64> {
        let mut columns: Vec<Vec<usize>> = (0..n).map(|j| vec![j]).collect();
        pairs.into_iter().for_each(|(i, j)| columns[i.min(j)].push(i.max(j)));
        let mut lower = Lower { starts: vec![0], indices: Vec::new(), values: Vec::new() };
        for mut column in columns {
            column.sort_unstable();
            column.dedup();
            lower.indices.extend(column);
            lower.starts.push(lower.indices.len());
        }
        lower.values = vec![1.0; lower.indices.len()];
        lower
    }

    /// Neighbours up to `reach` along each side of a grid.
    fn grid(sides: &[usize], reach: usize) -> Vec<(usize, usize)> {
        let n: usize = sides.iter().product();
        let (mut pairs, mut stride) = (Vec::new(), 1);
        for &side in sides {
            for step in 1..=reach {
                pairs.extend((0..n).filter(|j| (j / stride) % side + step < side).map(|j| (j, j + step * stride)));
            }
            stride *= side;
        }
        pairs
    }

    /// Flops in this order and in that of minimum degree alone.
    fn flops(lower: &Lower<f64>) -> (f64, f64) {
        let n = lower.order();
        let graph = Graph::new(&lower.starts, &lower.indices).expect("few vertices");
        let order = fill_reducing(&graph, Threads(2)).expect("memory");
        let mut seen = vec![false; n];
        order.iter().for_each(|&v| assert!(!core::mem::replace(&mut seen[v], true), "{v} comes twice"));
        let mut plain = vec![0; n];
        let names: Vec<usize> = (0..n).collect();
        graph.minimum_degree(&names, &mut plain).expect("memory");
        (Analysis::in_order(lower, &graph, order).flops(), Analysis::in_order(lower, &graph, plain).flops())
    }

    #[test]
    fn cuts_do_not_cost_work() {
        let mut random = Random::new(3);
        let mut some = |n: usize| (random.uniform() * n as f64) as usize % n;
        let square = grid(&[160, 160], 1);
        let beside = |pairs: &[(usize, usize)]| pairs.iter().map(|&(i, j)| (i + 25_600, j + 25_600)).collect::<Vec<_>>();
        let mut two = square.clone();
        two.extend(beside(&square));
        let mut heavy = square.clone();
        heavy.extend((0..25_600).map(|j| (j, 25_600)));
        let scattered: Vec<(usize, usize)> = (0..15_000).map(|_| (some(12_000), some(12_000))).filter(|(i, j)| i != j).collect();
        let cases = [
            ("a square", 25_600, square.clone(), 1.05),
            ("a square with second neighbours", 25_600, grid(&[160, 160], 2), 1.05),
            ("a long strip", 40_000, grid(&[4_000, 10], 1), 1.0),
            ("a chain", 30_000, grid(&[30_000], 1), 1.0),
            ("a cube", 21_952, grid(&[28, 28, 28], 1), 1.0),
            ("two squares and single points", 51_300, two, 1.05),
            ("a square and a vertex beside all", 25_601, heavy, 1.05),
            ("scattered pairs", 12_000, scattered, 1.0),
        ];
        for (name, n, pairs, most) in cases {
            let (ours, plain) = flops(&lower(n, pairs));
            assert!(ours <= most * plain, "{name}: {ours:e} flops, {plain:e} by minimum degree");
        }
    }
}
