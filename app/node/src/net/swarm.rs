//! The libp2p swarm of a node: who may connect, how often, over what.

use std::time::Duration;

use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, StreamProtocol, Swarm, noise, tcp, yamux};

use super::wire::{FrameCodec, PROTOCOL_VERSION};
use crate::config::Config;

/// A request without answer is given up after this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests of one connection at once.
const MAX_STREAMS: usize = 16;

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(super) allowed: allow_block_list::Behaviour<AllowedPeers>,
    pub(super) frames: request_response::Behaviour<FrameCodec>,
}

/// Opens the listener.
pub(super) fn swarm(config: &Config) -> Result<Swarm<Behaviour>, String> {
    let n = config.genesis.members.len() as u32;
    let protocol = format!("/gridloom/{}/{PROTOCOL_VERSION}", config.genesis.file.chain);
    let protocol = StreamProtocol::try_from_owned(protocol).map_err(|e| e.to_string())?;
    let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
    for peer in &config.peers {
        allowed.allow_peer(peer.member.peer);
    }
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(32))
        .with_max_pending_outgoing(Some(32))
        .with_max_established_incoming(Some(2 * n))
        .with_max_established_outgoing(Some(2 * n))
        .with_max_established_per_peer(Some(2));
    let frames = request_response::Behaviour::new(
        [(protocol, ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_concurrent_streams(MAX_STREAMS),
    );
    let multiplexer = || {
        // The window itself cannot be set through this version; streams can.
        let mut config = yamux::Config::default();
        config.set_max_num_streams(64);
        config
    };
    let mut swarm = libp2p::SwarmBuilder::with_existing_identity(config.identity.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            multiplexer,
        )
        .map_err(|error| error.to_string())?
        .with_behaviour(|_| Behaviour {
            limits: connection_limits::Behaviour::new(limits),
            allowed,
            frames,
        })
        .map_err(|error| error.to_string())?
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(Duration::from_secs(3_600))
                .with_max_negotiating_inbound_streams(MAX_STREAMS * 2)
        })
        .build();
    let listen = std::net::ToSocketAddrs::to_socket_addrs(config.file.listen.as_str())
        .map_err(|error| format!("listen {}: {error}", config.file.listen))?
        .next()
        .ok_or_else(|| format!("listen {}: no such address", config.file.listen))?;
    swarm
        .listen_on(multiaddr(listen))
        .map_err(|error| format!("listen {}: {error}", config.file.listen))?;
    Ok(swarm)
}

/// An address in libp2p's form.
pub(super) fn multiaddr(address: std::net::SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(libp2p::multiaddr::Protocol::Tcp(address.port()))
}
