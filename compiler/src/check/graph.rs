//! Order in a graph of names, without recursion: names may be as many as a file holds.

/// What [`order`] finds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Order {
    /// Every node, each behind those that it leads to (but for edges that close a cycle).
    pub post: Vec<usize>,
    /// Cycles, each from its first node on: the last leads back to the first. At most [`MAX_CYCLES`].
    pub cycles: Vec<Vec<usize>>,
}

/// More cycles than these are not listed: a graph may hold more than anyone reads.
pub(crate) const MAX_CYCLES: usize = 20;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Depth-first order of the graph with `edges[n]` the nodes that `n` leads to.
pub(crate) fn order(edges: &[Vec<usize>]) -> Order {
    let mut out = Order::default();
    let mut marks = vec![Mark::New; edges.len()];
    // A node and the number of its edges that are done.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for root in 0..edges.len() {
        if marks[root] != Mark::New {
            continue;
        }
        marks[root] = Mark::Open;
        path.push((root, 0));
        while let Some((node, done)) = path.last_mut() {
            let Some(&next) = edges[*node].get(*done) else {
                marks[*node] = Mark::Done;
                out.post.push(*node);
                path.pop();
                continue;
            };
            *done += 1;
            match marks[next] {
                Mark::New => {
                    marks[next] = Mark::Open;
                    path.push((next, 0));
                }
                Mark::Open if out.cycles.len() < MAX_CYCLES => {
                    let from = path.iter().position(|&(n, _)| n == next).unwrap_or(0);
                    out.cycles.push(path[from..].iter().map(|&(n, _)| n).collect());
                }
                Mark::Open | Mark::Done => {}
            }
        }
    }
    out
}

/// All nodes that the `roots` lead to, themselves among them: true where reached.
pub(crate) fn reached(edges: &[Vec<usize>], roots: impl IntoIterator<Item = usize>) -> Vec<bool> {
    let mut seen = vec![false; edges.len()];
    let mut todo: Vec<usize> = roots.into_iter().collect();
    while let Some(node) = todo.pop() {
        if !std::mem::replace(&mut seen[node], true) {
            todo.extend(edges[node].iter().copied().filter(|&n| !seen[n]));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let edges = [vec![1, 2], vec![3], vec![3], vec![]];
        let order = order(&edges);
        assert_eq!(order.post, [3, 1, 2, 0]);
        assert!(order.cycles.is_empty());
    }

    #[test]
    fn a_cycle_is_shown_from_its_first_node() {
        let edges = [vec![1], vec![2], vec![3, 1], vec![3]];
        assert_eq!(order(&edges).cycles, [vec![3], vec![1, 2]]);
    }

    #[test]
    fn a_long_path_needs_no_stack() {
        let edges: Vec<Vec<usize>> = (1..=500_000).map(|n| vec![n % 500_000]).collect();
        let order = order(&edges);
        assert_eq!(order.post.len(), 500_000);
        assert_eq!(order.cycles.len(), 1);
        assert!(reached(&edges, [7]).into_iter().all(|r| r));
    }
}
