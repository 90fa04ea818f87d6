//! Writes made-up attack traffic: `make-capture OUT.pcap PACKETS [SEED]`.

use l4c_golden::traffic::Traffic;
use l4c_packets::{LinkType, Writer};
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (path, packets, seed) = match args.as_slice() {
        [path, packets] => (path, packets.parse()?, 1),
        [path, packets, seed] => (path, packets.parse()?, seed.parse()?),
        _ => return Err("usage: make-capture OUT.pcap PACKETS [SEED]".into()),
    };
    let mut writer = Writer::new(BufWriter::new(File::create(path)?), LinkType::ETHERNET)?;
    for packet in Traffic::new(seed).take(packets) {
        writer.write(packet.time_ns, u32::try_from(packet.bytes.len())?, &packet.bytes)?;
    }
    writer.finish()?;
    Ok(())
}
