//! Frames between nodes: kind, length, content, each kind with its own limit.

use std::io::{Error, ErrorKind, Result};

use borsh::{BorshDeserialize, BorshSerialize};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response::Codec;

/// Version of what nodes say to each other; raised when it changes.
pub const PROTOCOL_VERSION: u32 = 1;
/// Greatest name or reason in a greeting, bytes.
const MAX_TEXT: usize = 256;
/// Largest content of a frame of messages, bytes: a block and a little.
pub const MAX_MESSAGES: usize = 2 * 1024 * 1024;
/// Largest content of a frame of transactions, bytes.
pub const MAX_TRANSACTIONS: usize = 256 * 1024;
/// Largest catch-up answer, bytes.
pub const MAX_CATCH_UP: usize = 4 * 1024 * 1024;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who speaks, as request and as response.
    Hello,
    /// Consensus messages.
    Messages,
    /// Transactions.
    Transactions,
    /// A height from which on blocks are wanted; in the response the blocks.
    CatchUp,
    /// Taken.
    Ack,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Messages => 2,
            Self::Transactions => 3,
            Self::CatchUp => 4,
            Self::Ack => 5,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [
            Self::Hello,
            Self::Messages,
            Self::Transactions,
            Self::CatchUp,
            Self::Ack,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }

    /// Most bytes as a request and as a response; `None` where it is neither.
    fn limit(self, response: bool) -> Option<usize> {
        match (self, response) {
            (Self::Hello, _) => Some(1_024),
            (Self::Messages, false) => Some(MAX_MESSAGES),
            (Self::Transactions, false) => Some(MAX_TRANSACTIONS),
            (Self::CatchUp, false) => Some(8),
            (Self::CatchUp, true) => Some(MAX_CATCH_UP),
            (Self::Ack, true) => Some(0),
            _ => None,
        }
    }
}

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it holds.
    pub kind: Kind,
    /// Content.
    pub content: Vec<u8>,
}

/// Who speaks, and how far its ledger is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub version: u32,
    /// Fingerprint of the genesis.
    pub genesis: [u8; 32],
    /// Name in the genesis.
    pub name: String,
    /// Version of the program.
    pub software: String,
    /// Last decided height.
    pub tip: u64,
    /// In a response: why the other is refused.
    pub refused: Option<String>,
}

impl Hello {
    /// Reads a greeting.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice::<Self>(bytes).ok().filter(|hello| {
            hello.name.len() <= MAX_TEXT
                && hello.software.len() <= MAX_TEXT
                && hello
                    .refused
                    .as_ref()
                    .is_none_or(|why| why.len() <= MAX_TEXT)
        })
    }
}

/// Frames over a stream.
#[derive(Clone, Debug, Default)]
pub struct FrameCodec;

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, response: bool) -> Result<Frame> {
    let mut head = [0; 5];
    io.read_exact(&mut head).await?;
    let refuse = |what: String| Error::new(ErrorKind::InvalidData, what);
    let kind = Kind::of(head[0]).ok_or_else(|| refuse(format!("frame kind {}", head[0])))?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if kind.limit(response).is_none_or(|limit| length > limit) {
        return Err(refuse(format!("{length} bytes of {kind:?}")));
    }
    // Grows with what arrives: a length alone does not reserve memory.
    let mut content = Vec::new();
    io.take(length as u64).read_to_end(&mut content).await?;
    if content.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Frame { kind, content })
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: Frame) -> Result<()> {
    let length =
        u32::try_from(frame.content.len()).map_err(|_| Error::from(ErrorKind::InvalidInput))?;
    // One write: each becomes a frame of the multiplexer and is encrypted by itself.
    let mut bytes = Vec::with_capacity(5 + frame.content.len());
    bytes.push(frame.kind.code());
    bytes.extend(length.to_le_bytes());
    bytes.extend(frame.content);
    io.write_all(&bytes).await?;
    io.close().await
}

impl Codec for FrameCodec {
    type Protocol = libp2p::StreamProtocol;
    type Request = Frame;
    type Response = Frame;

    async fn read_request<T>(&mut self, _: &Self::Protocol, io: &mut T) -> Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, false).await
    }

    async fn read_response<T>(&mut self, _: &Self::Protocol, io: &mut T) -> Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, true).await
    }

    async fn write_request<T>(&mut self, _: &Self::Protocol, io: &mut T, frame: Frame) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, frame).await
    }

    async fn write_response<T>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        frame: Frame,
    ) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, frame).await
    }
}

/// Puts a message behind others: length, bytes.
pub fn push_piece(content: &mut Vec<u8>, piece: &[u8]) {
    content.extend((piece.len() as u32).to_le_bytes());
    content.extend(piece);
}

/// Splits the content of a frame into messages; `None` if it does not come out even.
pub fn pieces(mut content: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (length, rest) = content.split_at_checked(4)?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let (piece, rest) = rest.split_at_checked(length)?;
        found.push(piece);
        content = rest;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(frame: Frame) -> Vec<u8> {
        let mut io = futures::io::Cursor::new(Vec::new());
        futures::executor::block_on(write(&mut io, frame)).expect("writes");
        io.into_inner()
    }

    fn read_back(bytes: &[u8], response: bool) -> Result<Frame> {
        futures::executor::block_on(read(&mut &bytes[..], response))
    }

    proptest! {
        #[test]
        fn pieces_come_back(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut content = Vec::new();
            for piece in &list {
                push_piece(&mut content, piece);
            }
            let frame = Frame { kind: Kind::Messages, content };
            let read = read_back(&bytes_of(frame), false).expect("reads");
            let found = pieces(&read.content).expect("even");
            prop_assert_eq!(found, list.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }

        #[test]
        fn foreign_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for response in [false, true] {
                if let Ok(frame) = read_back(&bytes, response) {
                    prop_assert!(frame.content.len() + 5 <= bytes.len());
                    let _ = pieces(&frame.content);
                    let _ = Hello::read(&frame.content);
                }
            }
        }
    }

    #[test]
    fn every_kind_has_its_limit() {
        let head = |kind: Kind, length: u32| {
            let mut bytes = vec![kind.code()];
            bytes.extend(length.to_le_bytes());
            bytes
        };
        let too_long = [
            (Kind::Hello, false, 1_025),
            (Kind::Messages, false, MAX_MESSAGES as u32 + 1),
            (Kind::CatchUp, false, 9),
            (Kind::CatchUp, true, MAX_CATCH_UP as u32 + 1),
            (Kind::Ack, true, 1),
            // Not a request, not a response.
            (Kind::Ack, false, 0),
            (Kind::Messages, true, 0),
        ];
        for (kind, response, length) in too_long {
            let error = read_back(&head(kind, length), response).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{kind:?}");
        }
        let cut = read_back(&head(Kind::Messages, 100), false).expect_err("cut off");
        assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
    }
}
