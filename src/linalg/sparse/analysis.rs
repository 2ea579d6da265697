//! The pattern of a sparse Cholesky factor, found once for all matrices of one pattern.
//!
//! A factor comes in *supernodes*: consecutive columns with one pattern below their triangle, stored as one dense block. The
//! columns are taken in an order of little fill ([`ordering`](super::ordering)), within it in the postorder of the elimination tree
//! (Liu 1990, doi:10.1137/0611010), so that every subtree is one range of columns, of supernodes and of values. The pattern of a
//! supernode is that of its entries and of its children below it. Zeros are stored where they make wider blocks (Ashcraft & Grimes
//! 1989, doi:10.1145/76909.76910): whole subtrees of a few columns are one supernode, and a column joins the one before it where
//! [`RELAXED`] allows.
//!
//! Cost: a few passes over the entries, one over the patterns.

use super::ordering::{Graph, fill_reducing};
use super::{Lower, accumulate};
use crate::linalg::{MatRef, Threads};
use crate::scalar::Scalar;
use core::ops::Range;

/// No column, no supernode.
pub(super) const NONE: usize = usize::MAX;
/// Subtrees of at most this many columns are one supernode. On a 500×500 grid 8 and 16 take the same time, 16 stores a tenth more.
const LEAF: usize = 8;
/// Up to so many columns a supernode may hold this share of zeros. A guess after CHOLMOD's, not a measurement.
const RELAXED: [(usize, f64); 3] = [(8, 0.5), (24, 0.2), (usize::MAX, 0.05)];
/// Subtrees that are done apart: no work above this share of all stays in one. With a quarter of it more is left above, with four times
/// as much two threads wait for each other.
const SHARE: f64 = 1.0 / 16.0;
/// Operations that handling a supernode is worth, beside those of its numbers. A guess.
const OVERHEAD: f64 = 500.0;

/// The order of elimination and the pattern of the factor.
#[derive(Debug)]
pub struct Analysis {
    /// New index → old.
    pub(super) order: Vec<usize>,
    /// Old index → new.
    pub(super) new: Vec<usize>,
    pub(super) supernodes: Supernodes,
    pub(super) entries: Entries,
    pub(super) tree: Tree,
}

/// The entries of M, by the columns of the lower triangle in the order of elimination.
#[derive(Debug)]
pub(super) struct Entries {
    pub starts: Vec<usize>,
    pub rows: Vec<usize>,
    /// Twice the place of the entry in the lower triangle before, and 1 more where it has changed sides.
    pub sources: Vec<usize>,
}

/// Which supernode needs which.
#[derive(Debug)]
pub(super) struct Tree {
    /// How many supernodes add to this one directly: the last of them comes just before it, the others before the subtree of the last.
    pub children: Vec<usize>,
    /// The first supernode of the subtree.
    pub first: Vec<usize>,
    /// Operations of the subtree.
    pub work: Vec<f64>,
    /// Those that no other needs.
    pub roots: Vec<usize>,
}

/// The blocks of a factor.
#[derive(Debug, Default)]
pub(super) struct Supernodes {
    /// The first column of each, and the number of columns.
    pub begins: Vec<usize>,
    /// Where the pattern of each begins and ends among the rows.
    pub patterns: Vec<(usize, usize)>,
    pub rows: Vec<usize>,
    /// Where the numbers of each begin, and how many there are.
    pub places: Vec<usize>,
    /// The supernode of each column.
    pub node: Vec<usize>,
}

/// Consecutive columns of a factor with a common pattern.
#[derive(Debug, Clone, Copy)]
pub struct Supernode<'a> {
    pub start: usize,
    pub end: usize,
    /// The rows below the columns' own, ascending.
    pub pattern: &'a [usize],
}

impl Supernode<'_> {
    /// Multiplications and additions.
    pub(super) fn flops(self) -> f64 {
        let (w, r) = ((self.end - self.start) as f64, self.pattern.len() as f64);
        w * w * w / 3.0 + w * w * r + w * r * r
    }
}

/// The supernodes of a factor, in the order of elimination.
#[derive(Clone, Copy)]
pub struct Nodes<'a> {
    pub(super) supernodes: &'a Supernodes,
    pub(super) new: &'a [usize],
}

impl Analysis {
    /// For matrices of this pattern; `None` when memory does not suffice.
    pub fn new<T: Scalar>(lower: &Lower<T>, threads: Threads) -> Option<Self> {
        let graph = Graph::new(&lower.starts, &lower.indices)?;
        let order = fill_reducing(&graph, threads)?;
        Some(Self::in_order(lower, &graph, order))
    }

    /// With the columns in this order (new index → old), up to equivalent ones; `graph` is that of the entries.
    pub(super) fn in_order<T: Scalar>(lower: &Lower<T>, graph: &Graph, order: Vec<usize>) -> Self {
        let (parent, order) = postordered(graph, order);
        let mut new = vec![0; order.len()];
        order.iter().enumerate().for_each(|(k, &old)| new[old] = k);
        let entries = Entries::new(lower, &new);
        let supernodes = Supernodes::new(&parent, &entries);
        let tree = Tree::new(Nodes { supernodes: &supernodes, new: &new });
        Self { order, new, supernodes, entries, tree }
    }

    /// Entries of the factor, zeros inside the supernodes among them.
    pub fn entries(&self) -> usize {
        self.supernodes.places[self.nodes().count()]
    }

    /// Multiplications and additions of one factorization.
    pub fn flops(&self) -> f64 {
        let nodes = self.nodes();
        (0..nodes.count()).map(|s| nodes.supernode(s).flops()).sum()
    }

    /// The supernodes of the factor.
    pub fn nodes(&self) -> Nodes<'_> {
        Nodes { supernodes: &self.supernodes, new: &self.new }
    }
}

/// The elimination tree, as the parent of each column, in an order in which every subtree is a range; and that order.
fn postordered(graph: &Graph, order: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let n = order.len();
    let mut new = vec![0; n];
    order.iter().enumerate().for_each(|(k, &old)| new[old] = k);
    let (mut parent, mut ancestor) = (vec![NONE; n], vec![NONE; n]);
    for (i, &old) in order.iter().enumerate() {
        for &neighbour in graph.neighbours(old) {
            // from k to the root of what is known, which becomes a child of i; what was passed is led to i at once
            let mut k = new[neighbour as usize];
            if k > i {
                continue;
            }
            while k != NONE && k != i {
                let up = core::mem::replace(&mut ancestor[k], i);
                if up == NONE {
                    parent[k] = i;
                }
                k = up;
            }
        }
    }
    let (mut child, mut sibling) = (vec![NONE; n], vec![NONE; n]);
    for j in (0..n).rev().filter(|&j| parent[j] != NONE) {
        sibling[j] = core::mem::replace(&mut child[parent[j]], j);
    }
    let (mut place, mut in_postorder, mut path) = (vec![0; n], Vec::with_capacity(n), Vec::new());
    for root in (0..n).filter(|&j| parent[j] == NONE) {
        path.push(root);
        while let Some(&j) = path.last() {
            match child[j] {
                NONE => {
                    place[j] = in_postorder.len();
                    in_postorder.push(j);
                    path.pop();
                }
                next => {
                    child[j] = sibling[next];
                    path.push(next);
                }
            }
        }
    }
    let up = |&j: &usize| if parent[j] == NONE { NONE } else { place[parent[j]] };
    (in_postorder.iter().map(up).collect(), in_postorder.iter().map(|&j| order[j]).collect())
}

impl Entries {
    fn new<T: Scalar>(lower: &Lower<T>, new: &[usize]) -> Self {
        let n = lower.order();
        let mut starts = vec![0; n + 1];
        for j in 0..n {
            lower.indices[lower.starts[j]..lower.starts[j + 1]].iter().for_each(|&i| starts[new[i].min(new[j]) + 1] += 1);
        }
        accumulate(&mut starts);
        let mut next = starts.clone();
        let (mut rows, mut sources) = (vec![0; starts[n]], vec![0; starts[n]]);
        for j in 0..n {
            for place in lower.starts[j]..lower.starts[j + 1] {
                let (row, column) = (new[lower.indices[place]], new[j]);
                let changes = row < column;
                let at = &mut next[row.min(column)];
                rows[*at] = row.max(column);
                sources[*at] = 2 * place + usize::from(changes);
                *at += 1;
            }
        }
        Self { starts, rows, sources }
    }

    fn of(&self, columns: Range<usize>) -> &[usize] {
        &self.rows[self.starts[columns.start]..self.starts[columns.end]]
    }
}

impl Supernodes {
    /// With the parents of the columns in postorder.
    fn new(parent: &[usize], entries: &Entries) -> Self {
        let n = parent.len();
        let mut leaf = leaves(parent);
        let mut made =
            Making { nodes: Self::default(), first_child: vec![NONE; n], sibling: Vec::new(), zeros: Vec::new(), mark: vec![NONE; n] };
        let mut union = Vec::new();
        let mut j = 0;
        while j < n {
            if leaf[j] > 0 {
                let end = j + core::mem::take(&mut leaf[j]);
                union.clear();
                union.extend(entries.of(j..end).iter().filter(|&&row| row >= end));
                union.sort_unstable();
                union.dedup();
                made.begin(j, &union);
                j = end;
                continue;
            }
            let before = made.before(j);
            if !before.is_some_and(|s| made.covers(s, j, entries.of(j..j + 1))) {
                made.unite(j, entries.of(j..j + 1), &mut union);
                match before.filter(|&s| made.joins(s, j, union.len())) {
                    Some(s) => made.widen(s, &union),
                    None => made.begin(j, &union),
                }
            }
            j += 1;
        }
        let Self { mut begins, patterns, rows, .. } = made.nodes;
        begins.push(n);
        Self::of(begins, patterns, rows)
    }

    /// Those that begin at these columns, the end of the last after them, with their patterns as places in `rows`.
    pub fn of(begins: Vec<usize>, patterns: Vec<(usize, usize)>, rows: Vec<usize>) -> Self {
        let mut node = vec![0; begins.last().copied().unwrap_or(0)];
        let mut places = vec![0];
        for (s, &(from, to)) in patterns.iter().enumerate() {
            let (start, end) = (begins[s], begins[s + 1]);
            node[start..end].fill(s);
            places.push(places[s] + (end - start) * (end - start + to - from));
        }
        Self { begins, node, patterns, rows, places }
    }
}

/// For the first column of each largest subtree of at most [`LEAF`] columns, how many it has; 0 for other columns.
fn leaves(parent: &[usize]) -> Vec<usize> {
    let n = parent.len();
    let mut size = vec![1; n];
    for j in (0..n).filter(|&j| parent[j] != NONE) {
        size[parent[j]] += size[j];
    }
    let mut leaf = vec![0; n];
    for j in (0..n).filter(|&j| size[j] <= LEAF && (parent[j] == NONE || size[parent[j]] > LEAF)) {
        leaf[j + 1 - size[j]] = size[j];
    }
    leaf
}

/// Supernodes while they are made. That of the columns before j has the parent that the first row of its pattern says, and is listed
/// there.
struct Making {
    nodes: Supernodes,
    /// The first supernode that adds to a column, and the next that adds to the same one.
    first_child: Vec<usize>,
    sibling: Vec<usize>,
    zeros: Vec<usize>,
    /// The last supernode that has this row.
    mark: Vec<usize>,
}

impl Making {
    fn begin(&mut self, column: usize, pattern: &[usize]) {
        self.nodes.begins.push(column);
        self.nodes.patterns.push((0, 0));
        self.sibling.push(NONE);
        self.zeros.push(0);
        self.set(self.sibling.len() - 1, pattern);
    }

    fn set(&mut self, s: usize, pattern: &[usize]) {
        let from = self.nodes.rows.len();
        self.nodes.rows.extend_from_slice(pattern);
        self.nodes.patterns[s] = (from, self.nodes.rows.len());
        pattern.iter().for_each(|&row| self.mark[row] = s);
        self.list(s);
    }

    fn pattern(&self, s: usize) -> &[usize] {
        let (from, to) = self.nodes.patterns[s];
        &self.nodes.rows[from..to]
    }

    /// Among those that add to the first row of its pattern.
    fn list(&mut self, s: usize) {
        if let Some(&row) = self.pattern(s).first() {
            self.sibling[s] = core::mem::replace(&mut self.first_child[row], s);
        }
    }

    /// The last supernode, where column j is what it adds to first.
    fn before(&self, j: usize) -> Option<usize> {
        let s = self.sibling.len().checked_sub(1)?;
        (self.pattern(s).first() == Some(&j)).then_some(s)
    }

    /// Those that add to column j.
    fn children(&self, j: usize) -> impl Iterator<Item = usize> {
        let next = |&s: &usize| Some(self.sibling[s]).filter(|&next| next != NONE);
        core::iter::successors(Some(self.first_child[j]).filter(|&s| s != NONE), next)
    }

    /// Whether the pattern of column j is that of the supernode before it, which then takes it in.
    fn covers(&mut self, s: usize, j: usize, entries: &[usize]) -> bool {
        let has = |row: usize| row == j || self.mark[row] == s;
        let same = entries.iter().all(|&row| has(row)) && self.children(j).all(|c| c == s || self.pattern(c).iter().all(|&row| has(row)));
        if same {
            self.nodes.patterns[s].0 += 1;
            self.list(s);
        }
        same
    }

    /// The pattern of column j below the diagonal.
    fn unite(&self, j: usize, entries: &[usize], union: &mut Vec<usize>) {
        union.clear();
        union.extend(entries.iter().filter(|&&row| row > j));
        union.sort_unstable();
        let mut both = Vec::new();
        for c in self.children(j) {
            both.clear();
            merge(union, &self.pattern(c)[1..], &mut both);
            core::mem::swap(union, &mut both);
        }
    }

    /// Whether column j with so many rows below it joins the supernode before it, at the price of zeros in that.
    fn joins(&mut self, s: usize, j: usize, rows: usize) -> bool {
        let width = j - self.nodes.begins[s];
        let zeros = self.zeros[s] + width * (rows + 1 - self.pattern(s).len());
        let entries = ((width + 1) * (width + 2) / 2 + (width + 1) * rows) as f64;
        let joins = RELAXED.iter().any(|&(widest, share)| width < widest && zeros as f64 <= share * entries);
        if joins {
            self.zeros[s] = zeros;
        }
        joins
    }

    /// The last supernode with one more column, and this pattern.
    fn widen(&mut self, s: usize, pattern: &[usize]) {
        self.nodes.rows.truncate(self.nodes.patterns[s].0);
        self.set(s, pattern);
    }
}

/// The union of two ascending lists.
fn merge(first: &[usize], second: &[usize], union: &mut Vec<usize>) {
    let (mut p, mut q) = (0, 0);
    while p < first.len() && q < second.len() {
        let (a, b) = (first[p], second[q]);
        union.push(a.min(b));
        p += usize::from(a <= b);
        q += usize::from(b <= a);
    }
    union.extend_from_slice(&first[p..]);
    union.extend_from_slice(&second[q..]);
}

impl Tree {
    fn new(nodes: Nodes<'_>) -> Self {
        let count = nodes.count();
        let mut tree = Self { children: vec![0; count], first: (0..count).collect(), work: vec![0.0; count], roots: Vec::new() };
        for s in 0..count {
            let supernode = nodes.supernode(s);
            tree.work[s] += supernode.flops() + OVERHEAD;
            match supernode.pattern.first() {
                Some(&row) => {
                    let parent = nodes.node_of(row);
                    tree.children[parent] += 1;
                    tree.first[parent] = tree.first[parent].min(tree.first[s]);
                    tree.work[parent] += tree.work[s];
                }
                None => tree.roots.push(s),
            }
        }
        tree
    }

    /// Operations of the whole tree.
    pub fn all(&self) -> f64 {
        self.roots.iter().map(|&root| self.work[root]).sum()
    }

    /// The roots of disjoint subtrees for several threads, ascending; large supernodes that no such subtree holds are left above them. They
    /// depend on the tree alone.
    pub fn apart(&self) -> Vec<usize> {
        let most = SHARE * self.all();
        let (mut open, mut found) = (self.roots.clone(), Vec::new());
        while let Some(root) = open.pop() {
            match self.work[root] > most {
                true => open.extend(self.children(root)),
                false => found.push(root),
            }
        }
        found.sort_unstable();
        found
    }

    /// The children of a supernode, the last one first.
    pub fn children(&self, s: usize) -> impl Iterator<Item = usize> {
        let next = |&child: &usize| self.first[child].checked_sub(1);
        core::iter::successors(s.checked_sub(1), next).take(self.children[s])
    }
}

impl<'a> Nodes<'a> {
    /// How many.
    pub fn count(self) -> usize {
        self.supernodes.patterns.len()
    }

    /// Where each column of the matrix comes in the order of elimination.
    pub fn order(self) -> &'a [usize] {
        self.new
    }

    /// The supernode of a column, named by its place in the order of elimination.
    pub fn node_of(self, column: usize) -> usize {
        self.supernodes.node[column]
    }

    pub fn supernode(self, s: usize) -> Supernode<'a> {
        let (from, to) = self.supernodes.patterns[s];
        Supernode { start: self.supernodes.begins[s], end: self.supernodes.begins[s + 1], pattern: &self.supernodes.rows[from..to] }
    }

    /// Where the numbers of supernode s are among the values of a factor.
    pub fn places(self, s: usize) -> Range<usize> {
        self.supernodes.places[s]..self.supernodes.places[s + 1]
    }

    /// Disjoint subtrees for several threads, as ranges of supernodes.
    pub fn apart(self) -> Vec<Range<usize>> {
        let tree = Tree::new(self);
        tree.apart().into_iter().map(|root| tree.first[root]..root + 1).collect()
    }

    /// The numbers of supernode s among the values of a factor, column after column: its own rows, then the pattern.
    pub fn numbers<T>(self, values: &[T], s: usize) -> &[T] {
        &values[self.places(s)]
    }

    /// The block of supernode s among the values of a factor (or of anything on its pattern): its own rows, then the pattern.
    pub fn block<T>(self, values: &[T], s: usize) -> MatRef<'_, T> {
        let Supernode { start, end, pattern } = self.supernode(s);
        MatRef::from_column_major_slice(self.numbers(values, s), end - start + pattern.len(), end - start)
    }
}
