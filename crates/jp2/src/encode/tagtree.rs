//! Tag trees: a grid of numbers coded by the minima of its quarters (ISO/IEC 15444-1 B.10.2).

use super::bits::{BitReader, BitWriter};

#[derive(Debug, Clone, Copy)]
struct Node {
    parent: Option<usize>,
    /// The number when writing.
    value: u32,
    /// What is known so far: the number is not below this.
    low: u32,
    /// Whether the number is known to be `low`.
    known: bool,
}

/// A tree over `width` x `height` leaves.
#[derive(Debug)]
pub(super) struct TagTree {
    nodes: Vec<Node>,
}

impl TagTree {
    /// A tree for reading; leaves in raster order.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self::with_values(width, height, &[])
    }

    /// A tree for writing these numbers; missing ones are infinite.
    pub(super) fn with_values(width: usize, height: usize, values: &[u32]) -> Self {
        let mut nodes = Vec::new();
        let (mut wide, mut high) = (width, height);
        loop {
            let start = nodes.len();
            let next = start + wide * high;
            let last = wide * high <= 1;
            for y in 0..high {
                for x in 0..wide {
                    let parent = (!last).then(|| next + y / 2 * wide.div_ceil(2) + x / 2);
                    nodes.push(Node { parent, value: u32::MAX, low: 0, known: false });
                }
            }
            if last {
                break;
            }
            (wide, high) = (wide.div_ceil(2), high.div_ceil(2));
        }
        for (node, &value) in nodes.iter_mut().zip(values.iter().take(width * height)) {
            node.value = value;
        }
        // parents stand behind their children, so one pass carries the minima up
        for index in 0..nodes.len() {
            let Some(&Node { parent: Some(parent), value, .. }) = nodes.get(index) else {
                continue;
            };
            if let Some(parent) = nodes.get_mut(parent) {
                parent.value = parent.value.min(value);
            }
        }
        Self { nodes }
    }

    /// The nodes from the root to a leaf.
    fn path(&self, leaf: usize) -> Vec<usize> {
        let mut path = Vec::with_capacity(12);
        let mut next = Some(leaf);
        while let Some(index) = next {
            path.push(index);
            next = self.nodes.get(index).and_then(|node| node.parent);
        }
        path.reverse();
        path
    }

    /// Reads until it is known whether a leaf is below `threshold`; its number if so.
    pub(super) fn read(
        &mut self,
        reader: &mut BitReader<'_>,
        leaf: usize,
        threshold: u32,
    ) -> Option<Option<u32>> {
        let (mut low, mut known) = (0, false);
        for index in self.path(leaf) {
            let node = self.nodes.get_mut(index)?;
            node.low = node.low.max(low);
            while node.low < threshold && !node.known {
                match reader.bit()? {
                    true => node.known = true,
                    false => node.low += 1,
                }
            }
            (low, known) = (node.low, node.known);
        }
        Some((known && low < threshold).then_some(low))
    }

    /// Writes what a reader needs to know whether a leaf is below `threshold`.
    pub(super) fn write(&mut self, writer: &mut BitWriter, leaf: usize, threshold: u32) {
        let mut low = 0;
        for index in self.path(leaf) {
            let Some(node) = self.nodes.get_mut(index) else { return };
            node.low = node.low.max(low);
            while node.low < threshold && !node.known {
                node.known = node.low >= node.value;
                writer.bit(node.known);
                if !node.known {
                    node.low += 1;
                }
            }
            low = node.low;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_come_back(
            width in 1usize..9, height in 1usize..9,
            values in proptest::collection::vec(0u32..12, 64), threshold in 1u32..14,
        ) {
            let values = &values[..width * height];
            let mut tree = TagTree::with_values(width, height, values);
            let mut writer = BitWriter::default();
            for leaf in 0..values.len() {
                tree.write(&mut writer, leaf, threshold);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            let mut tree = TagTree::new(width, height);
            for (leaf, &value) in values.iter().enumerate() {
                let expected = (value < threshold).then_some(value);
                proptest::prop_assert_eq!(tree.read(&mut reader, leaf, threshold), Some(expected));
            }
        }
    }
}
