// SPDX-License-Identifier: Apache-2.0
//! The job registry: orders of rendering jobs, who has claimed which, and the money between them.
//!
//! The same rules stand in Python in `src/veriframe/model/escrow.py`; the two are tested against each other.
//! There is no owner, no upgrade, no pause and no treasury. What is forfeited is burned: it stays in the
//! contract, is counted, and nobody can withdraw it.
//!
//! Time is half open: a move is legal while `now < end`, the move of its timeout when `now >= end`.
//! Amounts are in the token's smallest unit and at most 2^104 - 1. A refusal reverts with the name of its
//! rule as a short string (see `Errors`); the order of the checks is who, state, time, content, money.

use starknet::ContractAddress;

/// The state of a job. That a claim has lapsed is derived from its times, never a state.
#[derive(Copy, Default, Drop, PartialEq, Serde)]
pub enum JobState {
    #[default]
    Open,
    Claimed,
    Submitted,
    Disputed,
    Paid,
    Refunded,
}

/// An arbiter's decision on a disputed job.
#[derive(Copy, Drop, PartialEq, Serde)]
pub enum Verdict {
    Worker,
    Creator,
    Neither,
}

/// What a creator offers, the same for every job of an order.
#[derive(Copy, Drop, Serde)]
pub struct Terms {
    /// For each job, more than 0.
    pub reward: u128,
    /// What a worker puts up for each job, and the creator for a dispute; 0 only where a worker is named.
    pub bond: u128,
    /// Chain seconds; no claim from then on. After now, at most 365 days on.
    pub deadline: u64,
    /// How long a claimant has, 60 seconds to 30 days.
    pub lease: u64,
    /// How long the creator may dispute, 0 seconds to 30 days.
    pub review: u64,
    /// How long the arbiter may decide, 60 seconds to 30 days.
    pub arbitration: u64,
    /// 0 for none: then no dispute is possible. Not the creator.
    pub arbiter: ContractAddress,
    /// 0 for anyone; else only this one may claim. Neither the creator nor the arbiter.
    pub worker: ContractAddress,
}

/// One asset, one set of terms, and the jobs `first_job` to `first_job + jobs - 1`.
#[derive(Drop, Serde)]
pub struct Order {
    pub id: u64,
    pub creator: ContractAddress,
    pub asset_cid: ByteArray,
    pub terms: Terms,
    pub first_job: u64,
    pub jobs: u32,
    pub created_at: u64,
}

/// One paid part of an order. Times are chain seconds; what does not apply is 0 or empty.
#[derive(Drop, Serde)]
pub struct Job {
    pub id: u64,
    /// The number of its order, for `get_order`. Orders never change.
    pub order: u64,
    /// Which part of the order this is, from 0.
    pub part: u32,
    pub state: JobState,
    pub worker: ContractAddress,
    pub claimed_at: u64,
    pub lease_end: u64,
    pub review_end: u64,
    pub arbitration_end: u64,
    pub submitted_block: u64,
    pub disputed_block: u64,
    pub result_cid: ByteArray,
}

/// What a worker needs to know now, all of it at one block.
#[derive(Drop, Serde)]
pub struct Look {
    pub block: u64,
    /// The block's time in chain seconds: deadlines are judged by it.
    pub now: u64,
    pub job_counter: u64,
    pub jobs: Array<Job>,
    /// The orders of these jobs, each once; empty where they were not asked for.
    pub orders: Array<Order>,
}

/// All money inside the registry; the sum is what it holds of the token.
#[derive(Copy, Drop, Serde)]
pub struct Totals {
    pub escrow: u128,
    pub credits: u128,
    pub burned: u128,
}

/// What the registry needs of its payment token.
#[starknet::interface]
pub trait IToken<TContractState> {
    fn balance_of(self: @TContractState, account: ContractAddress) -> u256;
    fn transfer(ref self: TContractState, recipient: ContractAddress, amount: u256) -> bool;
    fn transfer_from(
        ref self: TContractState, sender: ContractAddress, recipient: ContractAddress, amount: u256
    ) -> bool;
}

#[starknet::interface]
pub trait IJobRegistry<TContractState> {
    // Money

    /// Moves `amount` of the token from the caller's wallet into the caller's credit.
    ///
    /// Requirements:
    ///
    /// - `amount` is more than 0 (`BAD_AMOUNT`), and all that the registry holds stays within 2^104 - 1
    ///   (`OVERFLOW`).
    /// - the wallet holds it (`INSUFFICIENT_FUNDS`) and has approved it (the token's own error).
    ///
    /// Emits a `Deposited` event.
    fn deposit(ref self: TContractState, amount: u128);

    /// Moves `amount` of the token from the caller's credit to `recipient`.
    ///
    /// Requirements:
    ///
    /// - `amount` is more than 0 (`BAD_AMOUNT`) and within 2^104 - 1 (`OVERFLOW`).
    /// - `recipient` is not 0 (`BAD_RECIPIENT`).
    /// - the credit covers it (`INSUFFICIENT_CREDIT`).
    ///
    /// Emits a `Withdrawn` event.
    fn withdraw(ref self: TContractState, amount: u128, recipient: ContractAddress);

    // Moves

    /// Posts an order of `jobs` jobs and returns the id of the first one. The rewards go into escrow.
    ///
    /// Requirements:
    ///
    /// - `asset_cid` has 1 to 128 bytes (`BAD_CID`), `jobs` is 1 to 1000 (`BAD_COUNT`).
    /// - the terms are within their bounds (`BAD_REWARD`, `BAD_BOND`, `BAD_DEADLINE`, `BAD_LEASE`,
    ///   `BAD_REVIEW`, `BAD_ARBITRATION`, `BAD_ARBITER`, `BAD_WORKER`, `OVERFLOW`).
    /// - the credit covers all rewards (`INSUFFICIENT_CREDIT`).
    ///
    /// Emits an `OrderCreated` event.
    fn create_order(
        ref self: TContractState, asset_cid: ByteArray, terms: Terms, jobs: u32
    ) -> u64;

    /// Posts an order of one job and returns its id. As `create_order`.
    fn create_job(ref self: TContractState, asset_cid: ByteArray, terms: Terms) -> u64;

    /// Takes a job: its bond goes into escrow and the lease starts. A lapsed claimant's bond is burned, and
    /// that claimant is barred from the job.
    ///
    /// Requirements:
    ///
    /// - the caller is neither its creator nor its arbiter (`OWN_JOB`), is the named worker if there is one
    ///   (`OTHER_WORKER`), and neither released it before nor let a claim on it lapse (`BARRED`).
    /// - the job is open or its claim has lapsed (`NOT_OPEN`), before the deadline (`DEADLINE_OVER`).
    /// - the credit covers the bond (`INSUFFICIENT_CREDIT`).
    ///
    /// Emits `ClaimLapsed` where a claim had lapsed, and `JobClaimed`.
    fn claim_job(ref self: TContractState, job_id: u64);

    /// Gives a claim back. A fee is burned: a tenth of the bond, or the held part of the lease if more. The
    /// caller is barred from the job. `reason` is an error code as a short string.
    ///
    /// Requirements:
    ///
    /// - the caller is the claimant (`NOT_CLAIMANT`), the job is claimed (`NOT_CLAIMED`), before the end of
    ///   the lease (`LEASE_OVER`).
    ///
    /// Emits a `JobReleased` event.
    fn release_job(ref self: TContractState, job_id: u64, reason: felt252);

    /// Hands in the result of the own claim. The review starts.
    ///
    /// Requirements:
    ///
    /// - as `release_job`, and `result_cid` has 1 to 128 bytes (`BAD_CID`).
    ///
    /// Emits a `ResultSubmitted` event.
    fn submit_result(ref self: TContractState, job_id: u64, result_cid: ByteArray);

    /// Pays the worker reward and bond, at any time.
    ///
    /// Requirements:
    ///
    /// - the caller is the creator (`NOT_CREATOR`), the job is submitted (`NOT_SUBMITTED`).
    ///
    /// Emits a `JobPaid` event.
    fn accept_result(ref self: TContractState, job_id: u64);

    /// Asks the arbiter. The creator puts up a bond as high as the worker's.
    ///
    /// Requirements:
    ///
    /// - the caller is the creator (`NOT_CREATOR`), the job is submitted (`NOT_SUBMITTED`), an arbiter is
    ///   named (`NO_ARBITER`), before the end of the review (`REVIEW_OVER`).
    /// - `evidence_cid` has 1 to 128 bytes (`BAD_CID`).
    /// - the credit covers the bond (`INSUFFICIENT_CREDIT`).
    ///
    /// Emits a `ResultDisputed` event.
    fn dispute_result(ref self: TContractState, job_id: u64, evidence_cid: ByteArray);

    /// Decides a dispute. `Worker`: reward and both bonds to the worker. `Neither`: reward and bond to the
    /// worker, the creator's bond back. `Creator`: reward and bond back, the worker's bond burned.
    ///
    /// Requirements:
    ///
    /// - the caller is the arbiter (`NOT_ARBITER`), the job is disputed (`NOT_DISPUTED`), before the end of
    ///   the arbitration (`ARBITRATION_OVER`).
    /// - `evidence_cid` has 1 to 128 bytes (`BAD_CID`).
    ///
    /// Emits `DisputeResolved`, and `JobPaid` or `JobRefunded`.
    fn resolve_dispute(
        ref self: TContractState, job_id: u64, verdict: Verdict, evidence_cid: ByteArray
    );

    /// Ends a job whose time has come; anyone may call. A submitted job is paid after its review; a disputed
    /// one after its arbitration, and the creator's bond is burned; any other is refunded after its deadline
    /// (and lease, if a claim lives), and a lapsed bond is burned.
    ///
    /// Requirements:
    ///
    /// - the job is not paid or refunded (`ALREADY_FINAL`), and its time has come (`NOT_DUE`).
    ///
    /// Emits `JobPaid`, or `JobRefunded` after a `ClaimLapsed` where a claim had lapsed.
    fn finalize_job(ref self: TContractState, job_id: u64);

    /// Takes back a job that nobody has under a live claim.
    ///
    /// Requirements:
    ///
    /// - the caller is the creator (`NOT_CREATOR`), no claim lives (`LIVE_CLAIM`), nothing was submitted and
    ///   the job has not ended (`NOT_OPEN`).
    ///
    /// Emits `JobRefunded`, after a `ClaimLapsed` where a claim had lapsed.
    fn cancel_job(ref self: TContractState, job_id: u64);

    // Plural calls: what is not legal is skipped; the ids done are returned

    /// As `claim_job` for each id, as far as the credit lasts.
    fn claim_jobs(ref self: TContractState, job_ids: Span<u64>) -> Array<u64>;

    /// As `submit_result` for each id and its CID. Reverts (`BAD_COUNT`) where there are not as many CIDs.
    fn submit_results(
        ref self: TContractState, job_ids: Span<u64>, result_cids: Span<ByteArray>
    ) -> Array<u64>;

    /// As `finalize_job` for each id.
    fn finalize_jobs(ref self: TContractState, job_ids: Span<u64>) -> Array<u64>;

    // Views

    /// Who posted the job; 0 for an unknown id.
    fn get_job_creator(self: @TContractState, job_id: u64) -> ContractAddress;
    /// Who has or had the job; 0 while it is open or its claim has lapsed, and for an unknown id.
    fn get_job_worker(self: @TContractState, job_id: u64) -> ContractAddress;
    /// The reward; 0 for an unknown id.
    fn get_job_reward(self: @TContractState, job_id: u64) -> u256;
    /// The CID of the asset; empty for an unknown id.
    fn get_job_asset_cid(self: @TContractState, job_id: u64) -> ByteArray;
    /// The highest job id so far; ids count from 1.
    fn get_job_counter(self: @TContractState) -> u64;
    /// The highest order number so far; they count from 1.
    fn get_order_counter(self: @TContractState) -> u64;
    /// One job. Reverts with `UNKNOWN_JOB`.
    fn get_job(self: @TContractState, job_id: u64) -> Job;
    /// The jobs `first` to `first + count - 1` that exist. `count` is at most 200 (`BAD_COUNT`).
    fn get_jobs(self: @TContractState, first: u64, count: u32) -> Array<Job>;
    /// As `get_jobs`, with the block, its time, the job counter and, if wanted, the orders of the jobs: one
    /// call is all that a poll needs. `count` is at most 200 (`BAD_COUNT`).
    fn look(self: @TContractState, first: u64, count: u32, with_orders: bool) -> Look;
    /// One packed felt for each of these jobs that exists (see `JobCell`); 0 for one that nobody has
    /// touched yet. `count` is at most 2000 (`BAD_COUNT`).
    fn get_job_slots(self: @TContractState, first: u64, count: u32) -> Array<felt252>;
    /// One order. Reverts with `UNKNOWN_ORDER`.
    fn get_order(self: @TContractState, order_id: u64) -> Order;
    /// An account's money inside the registry, free to use.
    fn get_credit(self: @TContractState, account: ContractAddress) -> u128;
    /// Whether an account released this job, or let a claim on it lapse, before. (A claim that has lapsed
    /// but that no move has found yet counts, too.)
    fn is_barred(self: @TContractState, job_id: u64, account: ContractAddress) -> bool;
    /// The payment token.
    fn get_token(self: @TContractState) -> ContractAddress;
    /// All money inside the registry.
    fn get_totals(self: @TContractState) -> Totals;
}

#[starknet::contract]
pub mod JobRegistry {
    use core::num::traits::Zero;
    use core::panic_with_felt252;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::storage_access::StorePacking;
    use starknet::{
        ContractAddress, get_block_number, get_block_timestamp, get_caller_address,
        get_contract_address
    };
    use super::{
        ITokenDispatcher, ITokenDispatcherTrait, Job, JobState, Look, Order, Terms, Totals, Verdict
    };

    const AMOUNT_MAX: u128 = 0xffffffffffffffffffffffffff; // 2^104 - 1
    const TIME_MAX: u64 = 0xffffffffff; // 2^40 - 1
    const JOB_ID_MAX: u64 = 0x1fffffffff; // 2^37 - 1
    const CID_MAX_BYTES: u32 = 128;
    const WORD_BYTES: u32 = 31;
    const JOBS_MAX: u32 = 1000;
    const READ_JOBS_MAX: u32 = 200;
    const READ_SLOTS_MAX: u32 = 2000;
    const DEADLINE_MAX_SECONDS: u64 = 31536000; // 365 days
    const SPAN_MIN_SECONDS: u64 = 60;
    const SPAN_MAX_SECONDS: u64 = 2592000; // 30 days
    const RELEASE_FEE_DIVISOR: u128 = 10;

    // Sizes of packed fields, as the power of two that a field's value is below.
    const BIT: u128 = 0x2;
    const BITS_3: u128 = 0x8;
    const BITS_8: u128 = 0x100;
    const BITS_10: u128 = 0x400;
    const BITS_22: u128 = 0x400000;
    const BITS_25: u128 = 0x2000000;
    const BITS_32: u128 = 0x100000000;
    const BITS_40: u128 = 0x10000000000;
    const BITS_104: u128 = 0x100000000000000000000000000;
    const BITS_128: felt252 = 0x100000000000000000000000000000000;

    // A CID's words lie at consecutive keys: 8 for each order's asset and for each job's result.
    const WORDS_A_CID: felt252 = 8;
    const RESULTS: felt252 = 0x10000000000000000; // 2^64, above all orders
    const BARS_A_JOB: felt252 = 0x100000000; // 2^32, one for each account

    /// Addresses are kept as `u32` indices, from 1.
    #[storage]
    struct Storage {
        token: ContractAddress,
        counters: Counters,
        sums: Sums,
        burned: u128,
        accounts: Map<ContractAddress, Account>,
        addresses: Map<u32, ContractAddress>,
        /// `OrderMoney`, packed.
        order_money: Map<u32, felt252>,
        /// `OrderPeople`, packed.
        order_people: Map<u32, felt252>,
        /// `JobCell`, packed; 0 until the job's first claim or its end.
        jobs: Map<u64, felt252>,
        /// The words of all CIDs (see `asset_key`, `result_key`).
        cids: Map<felt252, felt252>,
        /// See `bar_key`.
        bars: Map<felt252, bool>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        OrderCreated: OrderCreated,
        JobClaimed: JobClaimed,
        JobReleased: JobReleased,
        ClaimLapsed: ClaimLapsed,
        ResultSubmitted: ResultSubmitted,
        ResultDisputed: ResultDisputed,
        DisputeResolved: DisputeResolved,
        JobPaid: JobPaid,
        JobRefunded: JobRefunded,
        Deposited: Deposited,
        Withdrawn: Withdrawn,
    }

    /// An order was posted; `amount` is all its rewards.
    #[derive(Drop, starknet::Event)]
    pub struct OrderCreated {
        #[key]
        pub order_id: u64,
        #[key]
        pub creator: ContractAddress,
        pub first_job: u64,
        pub jobs: u32,
        pub amount: u128,
        pub asset_cid: ByteArray,
    }

    /// A worker took a job and put up `amount`.
    #[derive(Drop, starknet::Event)]
    pub struct JobClaimed {
        #[key]
        pub job_id: u64,
        #[key]
        pub worker: ContractAddress,
        pub amount: u128,
        pub lease_end: u64,
    }

    /// A worker gave a job back; `amount` of the bond was burned.
    #[derive(Drop, starknet::Event)]
    pub struct JobReleased {
        #[key]
        pub job_id: u64,
        #[key]
        pub worker: ContractAddress,
        pub amount: u128,
        pub reason: felt252,
    }

    /// A claim was found lapsed; the bond of `amount` was burned.
    #[derive(Drop, starknet::Event)]
    pub struct ClaimLapsed {
        #[key]
        pub job_id: u64,
        #[key]
        pub worker: ContractAddress,
        pub amount: u128,
    }

    /// A worker handed in a result.
    #[derive(Drop, starknet::Event)]
    pub struct ResultSubmitted {
        #[key]
        pub job_id: u64,
        #[key]
        pub worker: ContractAddress,
        pub review_end: u64,
        pub result_cid: ByteArray,
    }

    /// A creator asked the arbiter and put up `amount`.
    #[derive(Drop, starknet::Event)]
    pub struct ResultDisputed {
        #[key]
        pub job_id: u64,
        #[key]
        pub creator: ContractAddress,
        pub amount: u128,
        pub arbitration_end: u64,
        pub evidence_cid: ByteArray,
    }

    /// An arbiter decided.
    #[derive(Drop, starknet::Event)]
    pub struct DisputeResolved {
        #[key]
        pub job_id: u64,
        #[key]
        pub arbiter: ContractAddress,
        pub verdict: Verdict,
        pub evidence_cid: ByteArray,
    }

    /// A job ended; the worker got `amount`.
    #[derive(Drop, starknet::Event)]
    pub struct JobPaid {
        #[key]
        pub job_id: u64,
        #[key]
        pub worker: ContractAddress,
        pub amount: u128,
    }

    /// A job ended; the creator got `amount` back.
    #[derive(Drop, starknet::Event)]
    pub struct JobRefunded {
        #[key]
        pub job_id: u64,
        #[key]
        pub creator: ContractAddress,
        pub amount: u128,
    }

    /// Money came in.
    #[derive(Drop, starknet::Event)]
    pub struct Deposited {
        #[key]
        pub account: ContractAddress,
        pub amount: u128,
    }

    /// Money went out.
    #[derive(Drop, starknet::Event)]
    pub struct Withdrawn {
        #[key]
        pub account: ContractAddress,
        pub recipient: ContractAddress,
        pub amount: u128,
    }

    /// The rules by which a call is refused, by the names that `veriframe.model.ledger.Rule` has for them.
    pub mod Errors {
        pub const UNKNOWN_JOB: felt252 = 'UNKNOWN_JOB';
        pub const UNKNOWN_ORDER: felt252 = 'UNKNOWN_ORDER';
        pub const NOT_OPEN: felt252 = 'NOT_OPEN';
        pub const DEADLINE_OVER: felt252 = 'DEADLINE_OVER';
        pub const OWN_JOB: felt252 = 'OWN_JOB';
        pub const OTHER_WORKER: felt252 = 'OTHER_WORKER';
        pub const BARRED: felt252 = 'BARRED';
        pub const NOT_CLAIMANT: felt252 = 'NOT_CLAIMANT';
        pub const NOT_CLAIMED: felt252 = 'NOT_CLAIMED';
        pub const LEASE_OVER: felt252 = 'LEASE_OVER';
        pub const NOT_CREATOR: felt252 = 'NOT_CREATOR';
        pub const NOT_SUBMITTED: felt252 = 'NOT_SUBMITTED';
        pub const LIVE_CLAIM: felt252 = 'LIVE_CLAIM';
        pub const NO_ARBITER: felt252 = 'NO_ARBITER';
        pub const REVIEW_OVER: felt252 = 'REVIEW_OVER';
        pub const NOT_ARBITER: felt252 = 'NOT_ARBITER';
        pub const NOT_DISPUTED: felt252 = 'NOT_DISPUTED';
        pub const ARBITRATION_OVER: felt252 = 'ARBITRATION_OVER';
        pub const NOT_DUE: felt252 = 'NOT_DUE';
        pub const ALREADY_FINAL: felt252 = 'ALREADY_FINAL';
        pub const BAD_CID: felt252 = 'BAD_CID';
        pub const BAD_COUNT: felt252 = 'BAD_COUNT';
        pub const BAD_REWARD: felt252 = 'BAD_REWARD';
        pub const BAD_BOND: felt252 = 'BAD_BOND';
        pub const BAD_DEADLINE: felt252 = 'BAD_DEADLINE';
        pub const BAD_LEASE: felt252 = 'BAD_LEASE';
        pub const BAD_REVIEW: felt252 = 'BAD_REVIEW';
        pub const BAD_ARBITRATION: felt252 = 'BAD_ARBITRATION';
        pub const BAD_ARBITER: felt252 = 'BAD_ARBITER';
        pub const BAD_WORKER: felt252 = 'BAD_WORKER';
        pub const BAD_AMOUNT: felt252 = 'BAD_AMOUNT';
        pub const BAD_RECIPIENT: felt252 = 'BAD_RECIPIENT';
        pub const BAD_TOKEN: felt252 = 'BAD_TOKEN';
        pub const INSUFFICIENT_CREDIT: felt252 = 'INSUFFICIENT_CREDIT';
        pub const INSUFFICIENT_FUNDS: felt252 = 'INSUFFICIENT_FUNDS';
        pub const OVERFLOW: felt252 = 'OVERFLOW';
        pub const TRANSFER_FAILED: felt252 = 'TRANSFER_FAILED';
    }

    /// How many there are of each; one cell.
    #[derive(Copy, Drop)]
    struct Counters {
        jobs: u64,
        orders: u32,
        accounts: u32,
    }

    /// The money inside that is not burned; one cell.
    #[derive(Copy, Drop)]
    struct Sums {
        escrow: u128,
        credits: u128,
    }

    /// One address's index and credit; one cell.
    #[derive(Copy, Drop)]
    struct Account {
        index: u32,
        credit: u128,
    }

    /// An order's two cells, unpacked. `id` 0 means that none is loaded.
    #[derive(Copy, Default, Drop)]
    struct OrderCells {
        id: u32,
        // the cell `order_money`
        reward: u128,
        review: u64,
        bond: u128,
        jobs: u32,
        cid_bytes: u32,
        // the cell `order_people`
        created_at: u64,
        deadline: u64,
        creator: u32,
        lease: u64,
        arbiter: u32,
        worker: u32,
        first_job: u64,
        arbitration: u64,
    }

    /// A job's cell. From bit 0: state (3 bits), worker (32), claimed_at (40), seconds from the claim to the
    /// submission (22), seconds from the submission to the dispute (22), bytes of the result's CID (8), a
    /// gap of one; from bit 128: order (32), submitted_block (40), blocks from the submission to the dispute
    /// (32), whether there was a dispute (1). `order` 0: nobody has touched the job yet.
    #[derive(Copy, Default, Drop)]
    struct JobCell {
        state: JobState,
        worker: u32,
        claimed_at: u64,
        submitted_after: u64,
        disputed_after: u64,
        cid_bytes: u32,
        order: u32,
        submitted_block: u64,
        disputed_blocks: u64,
        disputed: bool,
    }

    /// The sums, and the account at hand, while a call works on them.
    #[derive(Copy, Drop)]
    struct Books {
        sums: Sums,
        owner: ContractAddress,
        purse: Account,
    }

    // Packing

    /// Takes the lowest field off `value`.
    fn take(ref value: u128, size: u128) -> u128 {
        let (rest, field) = DivRem::div_rem(value, size.try_into().unwrap());
        value = rest;
        field
    }

    fn take_u32(ref value: u128, size: u128) -> u32 {
        take(ref value, size).try_into().unwrap()
    }

    fn take_u64(ref value: u128, size: u128) -> u64 {
        take(ref value, size).try_into().unwrap()
    }

    fn join(low: u128, high: u128) -> felt252 {
        low.into() + high.into() * BITS_128
    }

    impl CountersPacking of StorePacking<Counters, u128> {
        fn pack(value: Counters) -> u128 {
            value.jobs.into() + BITS_40 * (value.orders.into() + BITS_32 * value.accounts.into())
        }

        fn unpack(value: u128) -> Counters {
            let mut rest = value;
            let jobs = take_u64(ref rest, BITS_40);
            let orders = take_u32(ref rest, BITS_32);
            Counters { jobs, orders, accounts: take_u32(ref rest, BITS_32) }
        }
    }

    impl SumsPacking of StorePacking<Sums, felt252> {
        fn pack(value: Sums) -> felt252 {
            join(value.escrow, value.credits)
        }

        fn unpack(value: felt252) -> Sums {
            let halves: u256 = value.into();
            Sums { escrow: halves.low, credits: halves.high }
        }
    }

    impl AccountPacking of StorePacking<Account, felt252> {
        fn pack(value: Account) -> felt252 {
            join(value.credit, value.index.into())
        }

        fn unpack(value: felt252) -> Account {
            let halves: u256 = value.into();
            Account { credit: halves.low, index: halves.high.try_into().unwrap() }
        }
    }

    fn pack_money(order: @OrderCells) -> felt252 {
        join(
            *order.reward + BITS_104 * (*order.review).into(),
            *order.bond + BITS_104 * ((*order.jobs).into() + BITS_10 * (*order.cid_bytes).into())
        )
    }

    fn unpack_money(value: felt252, ref order: OrderCells) {
        let halves: u256 = value.into();
        let (mut low, mut high) = (halves.low, halves.high);
        order.reward = take(ref low, BITS_104);
        order.review = low.try_into().unwrap();
        order.bond = take(ref high, BITS_104);
        order.jobs = take_u32(ref high, BITS_10);
        order.cid_bytes = high.try_into().unwrap();
    }

    fn pack_people(order: @OrderCells) -> felt252 {
        let life: u128 = (*order.deadline - *order.created_at).into();
        let low = (*order.created_at).into()
            + BITS_40
                * (life + BITS_25 * ((*order.creator).into() + BITS_32 * (*order.lease).into()));
        let high = (*order.arbiter).into()
            + BITS_32
                * ((*order.worker).into()
                    + BITS_32 * ((*order.arbitration).into() + BITS_22 * (*order.first_job).into()));
        join(low, high)
    }

    fn unpack_people(value: felt252, ref order: OrderCells) {
        let halves: u256 = value.into();
        let (mut low, mut high) = (halves.low, halves.high);
        order.created_at = take_u64(ref low, BITS_40);
        order.deadline = order.created_at + take_u64(ref low, BITS_25);
        order.creator = take_u32(ref low, BITS_32);
        order.lease = low.try_into().unwrap();
        order.arbiter = take_u32(ref high, BITS_32);
        order.worker = take_u32(ref high, BITS_32);
        order.arbitration = take_u64(ref high, BITS_22);
        order.first_job = high.try_into().unwrap();
    }

    fn state_code(state: JobState) -> u128 {
        match state {
            JobState::Open => 0,
            JobState::Claimed => 1,
            JobState::Submitted => 2,
            JobState::Disputed => 3,
            JobState::Paid => 4,
            JobState::Refunded => 5,
        }
    }

    fn state_of(code: u32) -> JobState {
        match code {
            0 => JobState::Open,
            1 => JobState::Claimed,
            2 => JobState::Submitted,
            3 => JobState::Disputed,
            4 => JobState::Paid,
            _ => JobState::Refunded,
        }
    }

    fn pack_job(job: @JobCell) -> felt252 {
        let spans: u128 = (*job.submitted_after).into()
            + BITS_22 * ((*job.disputed_after).into() + BITS_22 * (*job.cid_bytes).into());
        let low = state_code(*job.state)
            + BITS_3 * ((*job.worker).into() + BITS_32 * ((*job.claimed_at).into() + BITS_40 * spans));
        let disputed: u128 = if *job.disputed {
            1
        } else {
            0
        };
        let high = (*job.order).into()
            + BITS_32
                * ((*job.submitted_block).into()
                    + BITS_40 * ((*job.disputed_blocks).into() + BITS_32 * disputed));
        join(low, high)
    }

    fn unpack_job(value: felt252) -> JobCell {
        let halves: u256 = value.into();
        let (mut low, mut high) = (halves.low, halves.high);
        JobCell {
            state: state_of(take_u32(ref low, BITS_3)),
            worker: take_u32(ref low, BITS_32),
            claimed_at: take_u64(ref low, BITS_40),
            submitted_after: take_u64(ref low, BITS_22),
            disputed_after: take_u64(ref low, BITS_22),
            cid_bytes: take_u32(ref low, BITS_8),
            order: take_u32(ref high, BITS_32),
            submitted_block: take_u64(ref high, BITS_40),
            disputed_blocks: take_u64(ref high, BITS_32),
            disputed: take(ref high, BIT) == 1,
        }
    }

    // Keys

    fn asset_key(order: u32) -> felt252 {
        order.into() * WORDS_A_CID
    }

    fn result_key(job_id: u64) -> felt252 {
        (RESULTS + job_id.into()) * WORDS_A_CID
    }

    fn bar_key(job_id: u64, account: u32) -> felt252 {
        job_id.into() * BARS_A_JOB + account.into()
    }

    // Rules

    /// Reverts with the rule that an inner function gave.
    fn enforce<T, +Drop<T>>(result: Result<T, felt252>) -> T {
        match result {
            Result::Ok(value) => value,
            Result::Err(rule) => panic_with_felt252(rule),
        }
    }

    fn require(holds: bool, rule: felt252) -> Result<(), felt252> {
        if holds {
            Result::Ok(())
        } else {
            Result::Err(rule)
        }
    }

    /// 256 to the power `exponent`, which is at most 30: a table is cheaper than a loop.
    fn power_of_256(exponent: u32) -> felt252 {
        match exponent {
            0 => 0x1,
            1 => 0x100,
            2 => 0x10000,
            3 => 0x1000000,
            4 => 0x100000000,
            5 => 0x10000000000,
            6 => 0x1000000000000,
            7 => 0x100000000000000,
            8 => 0x10000000000000000,
            9 => 0x1000000000000000000,
            10 => 0x100000000000000000000,
            11 => 0x10000000000000000000000,
            12 => 0x1000000000000000000000000,
            13 => 0x100000000000000000000000000,
            14 => 0x10000000000000000000000000000,
            15 => 0x1000000000000000000000000000000,
            16 => 0x100000000000000000000000000000000,
            17 => 0x10000000000000000000000000000000000,
            18 => 0x1000000000000000000000000000000000000,
            19 => 0x100000000000000000000000000000000000000,
            20 => 0x10000000000000000000000000000000000000000,
            21 => 0x1000000000000000000000000000000000000000000,
            22 => 0x100000000000000000000000000000000000000000000,
            23 => 0x10000000000000000000000000000000000000000000000,
            24 => 0x1000000000000000000000000000000000000000000000000,
            25 => 0x100000000000000000000000000000000000000000000000000,
            26 => 0x10000000000000000000000000000000000000000000000000000,
            27 => 0x1000000000000000000000000000000000000000000000000000000,
            28 => 0x100000000000000000000000000000000000000000000000000000000,
            29 => 0x10000000000000000000000000000000000000000000000000000000000,
            _ => 0x1000000000000000000000000000000000000000000000000000000000000,
        }
    }

    /// The words and the size of a CID. Its caller wrote the bytes: they may be no well-formed `ByteArray`.
    fn cid_words(cid: @ByteArray) -> Result<(Span<felt252>, u32), felt252> {
        let mut felts: Array<felt252> = array![];
        cid.serialize(ref felts);
        let full_words = felts.len() - 3;
        let pending: u256 = (*felts.at(full_words + 1)).into();
        let pending_bytes: u256 = (*felts.at(full_words + 2)).into();
        if full_words > CID_MAX_BYTES / WORD_BYTES || pending_bytes >= WORD_BYTES.into() {
            return Result::Err(Errors::BAD_CID);
        }
        let pending_bytes: u32 = pending_bytes.low.try_into().unwrap();
        let bytes = full_words * WORD_BYTES + pending_bytes;
        let limit = power_of_256(pending_bytes);
        require(bytes >= 1 && bytes <= CID_MAX_BYTES && pending < limit.into(), Errors::BAD_CID)?;
        let words = if pending_bytes == 0 {
            full_words
        } else {
            full_words + 1
        };
        Result::Ok((felts.span().slice(1, words), bytes))
    }

    fn end_of(now: u64, seconds: u64) -> Result<u64, felt252> {
        let end = now + seconds;
        require(end <= TIME_MAX, Errors::OVERFLOW)?;
        Result::Ok(end)
    }

    fn is_lapsed(job: @JobCell, order: @OrderCells, now: u64) -> bool {
        *job.state == JobState::Claimed && now >= *job.claimed_at + *order.lease
    }

    fn review_end(job: @JobCell, order: @OrderCells) -> u64 {
        *job.claimed_at + *job.submitted_after + *order.review
    }

    fn arbitration_end(job: @JobCell, order: @OrderCells) -> u64 {
        *job.claimed_at + *job.submitted_after + *job.disputed_after + *order.arbitration
    }

    /// From when on anyone may finalize a job that has not ended.
    fn due(job: @JobCell, order: @OrderCells) -> u64 {
        match *job.state {
            JobState::Submitted => review_end(job, order),
            JobState::Disputed => arbitration_end(job, order),
            JobState::Claimed => core::cmp::max(*job.claimed_at + *order.lease, *order.deadline),
            _ => *order.deadline,
        }
    }

    fn release_fee(job: @JobCell, order: @OrderCells, now: u64) -> u128 {
        let bond = *order.bond;
        let held: u128 = (now - *job.claimed_at).into();
        let lease: u128 = (*order.lease).into();
        core::cmp::max(
            (bond + RELEASE_FEE_DIVISOR - 1) / RELEASE_FEE_DIVISOR, (bond * held + lease - 1) / lease
        )
    }

    fn require_claim(
        job: @JobCell, order: @OrderCells, caller: u32, now: u64
    ) -> Result<(), felt252> {
        require(caller != 0 && *job.worker == caller, Errors::NOT_CLAIMANT)?;
        require(*job.state == JobState::Claimed, Errors::NOT_CLAIMED)?;
        require(!is_lapsed(job, order, now), Errors::LEASE_OVER)
    }

    fn require_terms(
        terms: @Terms, caller: ContractAddress, now: u64
    ) -> Result<(), felt252> {
        let (reward, bond) = (*terms.reward, *terms.bond);
        let (arbiter, worker) = (*terms.arbiter, *terms.worker);
        require(reward != 0, Errors::BAD_REWARD)?;
        require(reward <= AMOUNT_MAX, Errors::OVERFLOW)?;
        require(bond != 0 || worker != Zero::zero(), Errors::BAD_BOND)?;
        require(bond <= AMOUNT_MAX, Errors::OVERFLOW)?;
        let latest = core::cmp::min(now + DEADLINE_MAX_SECONDS, TIME_MAX);
        require(now < *terms.deadline && *terms.deadline <= latest, Errors::BAD_DEADLINE)?;
        require_span(*terms.lease, SPAN_MIN_SECONDS, Errors::BAD_LEASE)?;
        require_span(*terms.review, 0, Errors::BAD_REVIEW)?;
        require_span(*terms.arbitration, SPAN_MIN_SECONDS, Errors::BAD_ARBITRATION)?;
        require(arbiter != caller, Errors::BAD_ARBITER)?;
        require(
            worker == Zero::zero() || (worker != caller && worker != arbiter), Errors::BAD_WORKER
        )
    }

    fn require_span(seconds: u64, least: u64, rule: felt252) -> Result<(), felt252> {
        require(seconds >= least && seconds <= SPAN_MAX_SECONDS, rule)
    }

    // Money between escrow and the account at hand

    fn bind(ref books: Books, amount: u128) {
        books.purse.credit -= amount;
        books.sums.credits -= amount;
        books.sums.escrow += amount;
    }

    fn free(ref books: Books, amount: u128) {
        books.sums.escrow -= amount;
        books.sums.credits += amount;
        books.purse.credit += amount;
    }

    #[constructor]
    fn constructor(ref self: ContractState, token: ContractAddress) {
        assert(token != Zero::zero(), Errors::BAD_TOKEN);
        self.token.write(token);
    }

    #[abi(embed_v0)]
    impl JobRegistryImpl of super::IJobRegistry<ContractState> {
        fn deposit(ref self: ContractState, amount: u128) {
            let caller = get_caller_address();
            enforce(require(amount != 0, Errors::BAD_AMOUNT));
            let sums = self.sums.read();
            let held = sums.escrow + sums.credits + self.burned.read();
            enforce(require(amount <= AMOUNT_MAX && held + amount <= AMOUNT_MAX, Errors::OVERFLOW));
            let token = ITokenDispatcher { contract_address: self.token.read() };
            enforce(
                require(amount.into() <= token.balance_of(caller), Errors::INSUFFICIENT_FUNDS)
            );
            let here = get_contract_address();
            assert(token.transfer_from(caller, here, amount.into()), Errors::TRANSFER_FAILED);
            // Read again: the token is a foreign program and may have called back.
            self.index_of(caller);
            let mut books = self.open_books(caller);
            books.purse.credit += amount;
            books.sums.credits += amount;
            self.close_books(@books);
            self.emit(Deposited { account: caller, amount });
        }

        fn withdraw(ref self: ContractState, amount: u128, recipient: ContractAddress) {
            let caller = get_caller_address();
            enforce(require(amount != 0, Errors::BAD_AMOUNT));
            enforce(require(amount <= AMOUNT_MAX, Errors::OVERFLOW));
            enforce(require(recipient != Zero::zero(), Errors::BAD_RECIPIENT));
            let mut books = self.open_books(caller);
            enforce(require(amount <= books.purse.credit, Errors::INSUFFICIENT_CREDIT));
            books.purse.credit -= amount;
            books.sums.credits -= amount;
            self.close_books(@books);
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer(recipient, amount.into()), Errors::TRANSFER_FAILED);
            self.emit(Withdrawn { account: caller, recipient, amount });
        }

        fn create_order(
            ref self: ContractState, asset_cid: ByteArray, terms: Terms, jobs: u32
        ) -> u64 {
            enforce(self.post_order(asset_cid, terms, jobs))
        }

        fn create_job(ref self: ContractState, asset_cid: ByteArray, terms: Terms) -> u64 {
            enforce(self.post_order(asset_cid, terms, 1))
        }

        fn claim_job(ref self: ContractState, job_id: u64) {
            let mut order: OrderCells = Default::default();
            let mut books = self.open_books(get_caller_address());
            enforce(self.claim(job_id, ref order, ref books, get_block_timestamp()));
            self.close_books(@books);
        }

        fn release_job(ref self: ContractState, job_id: u64, reason: felt252) {
            let now = get_block_timestamp();
            let mut order: OrderCells = Default::default();
            let job = enforce(self.load(job_id, ref order));
            let mut books = self.open_books(get_caller_address());
            let caller = books.purse.index;
            enforce(require_claim(@job, @order, caller, now));
            let fee = release_fee(@job, @order, now);
            free(ref books, order.bond - fee);
            self.burn(ref books, fee);
            self.bars.write(bar_key(job_id, caller), true);
            self.keep(job_id, @order, JobCell { state: JobState::Open, ..Default::default() });
            self.emit(JobReleased { job_id, worker: books.owner, amount: fee, reason });
            self.close_books(@books);
        }

        fn submit_result(ref self: ContractState, job_id: u64, result_cid: ByteArray) {
            let mut order: OrderCells = Default::default();
            enforce(self.submit(job_id, @result_cid, ref order));
        }

        fn accept_result(ref self: ContractState, job_id: u64) {
            let mut order: OrderCells = Default::default();
            let job = enforce(self.load(job_id, ref order));
            let mut books = self.open_books(get_caller_address());
            enforce(require(books.purse.index == order.creator, Errors::NOT_CREATOR));
            enforce(require(job.state == JobState::Submitted, Errors::NOT_SUBMITTED));
            self.pay(job_id, job, @order, ref books, 0);
            self.close_books(@books);
        }

        fn dispute_result(ref self: ContractState, job_id: u64, evidence_cid: ByteArray) {
            let now = get_block_timestamp();
            let mut order: OrderCells = Default::default();
            let mut job = enforce(self.load(job_id, ref order));
            let mut books = self.open_books(get_caller_address());
            enforce(require(books.purse.index == order.creator, Errors::NOT_CREATOR));
            enforce(require(job.state == JobState::Submitted, Errors::NOT_SUBMITTED));
            enforce(require(order.arbiter != 0, Errors::NO_ARBITER));
            enforce(require(now < review_end(@job, @order), Errors::REVIEW_OVER));
            enforce(cid_words(@evidence_cid));
            enforce(require(order.bond <= books.purse.credit, Errors::INSUFFICIENT_CREDIT));
            let arbitration_end = enforce(end_of(now, order.arbitration));
            bind(ref books, order.bond);
            self.close_books(@books);
            job.state = JobState::Disputed;
            job.disputed = true;
            job.disputed_after = now - job.claimed_at - job.submitted_after;
            job.disputed_blocks = get_block_number() - job.submitted_block;
            self.keep(job_id, @order, job);
            self
                .emit(
                    ResultDisputed {
                        job_id,
                        creator: books.owner,
                        amount: order.bond,
                        arbitration_end,
                        evidence_cid
                    }
                );
        }

        fn resolve_dispute(
            ref self: ContractState, job_id: u64, verdict: Verdict, evidence_cid: ByteArray
        ) {
            let mut order: OrderCells = Default::default();
            let mut job = enforce(self.load(job_id, ref order));
            let mut books = self.open_books(get_caller_address());
            let caller = books.purse.index;
            enforce(require(caller != 0 && caller == order.arbiter, Errors::NOT_ARBITER));
            enforce(require(job.state == JobState::Disputed, Errors::NOT_DISPUTED));
            let end = arbitration_end(@job, @order);
            enforce(require(get_block_timestamp() < end, Errors::ARBITRATION_OVER));
            enforce(cid_words(@evidence_cid));
            self.emit(DisputeResolved { job_id, arbiter: books.owner, verdict, evidence_cid });
            match verdict {
                Verdict::Worker => self.pay(job_id, job, @order, ref books, order.bond),
                Verdict::Neither => {
                    self.seat(ref books, order.creator);
                    free(ref books, order.bond);
                    self.pay(job_id, job, @order, ref books, 0);
                },
                Verdict::Creator => {
                    self.burn(ref books, order.bond);
                    job.state = JobState::Refunded;
                    self.refund(job_id, job, @order, ref books, order.bond);
                },
            }
            self.close_books(@books);
        }

        fn finalize_job(ref self: ContractState, job_id: u64) {
            let mut order: OrderCells = Default::default();
            let mut books = self.open_books(Zero::zero());
            enforce(self.finalize(job_id, ref order, ref books, get_block_timestamp()));
            self.close_books(@books);
        }

        fn cancel_job(ref self: ContractState, job_id: u64) {
            let now = get_block_timestamp();
            let mut order: OrderCells = Default::default();
            let job = enforce(self.load(job_id, ref order));
            let mut books = self.open_books(get_caller_address());
            enforce(require(books.purse.index == order.creator, Errors::NOT_CREATOR));
            let lapsed = is_lapsed(@job, @order, now);
            enforce(require(job.state != JobState::Claimed || lapsed, Errors::LIVE_CLAIM));
            enforce(require(job.state == JobState::Open || lapsed, Errors::NOT_OPEN));
            self.take_back(job_id, job, @order, ref books, now);
            self.close_books(@books);
        }

        fn claim_jobs(ref self: ContractState, job_ids: Span<u64>) -> Array<u64> {
            let now = get_block_timestamp();
            let mut done: Array<u64> = array![];
            let mut order: OrderCells = Default::default();
            let mut books = self.open_books(get_caller_address());
            for job_id in job_ids {
                if self.claim(*job_id, ref order, ref books, now).is_ok() {
                    done.append(*job_id);
                }
            };
            self.close_books(@books);
            done
        }

        fn submit_results(
            ref self: ContractState, job_ids: Span<u64>, result_cids: Span<ByteArray>
        ) -> Array<u64> {
            enforce(require(job_ids.len() == result_cids.len(), Errors::BAD_COUNT));
            let mut done: Array<u64> = array![];
            let mut order: OrderCells = Default::default();
            let mut cids = result_cids;
            for job_id in job_ids {
                if self.submit(*job_id, cids.pop_front().unwrap(), ref order).is_ok() {
                    done.append(*job_id);
                }
            };
            done
        }

        fn finalize_jobs(ref self: ContractState, job_ids: Span<u64>) -> Array<u64> {
            let now = get_block_timestamp();
            let mut done: Array<u64> = array![];
            let mut order: OrderCells = Default::default();
            let mut books = self.open_books(Zero::zero());
            for job_id in job_ids {
                if self.finalize(*job_id, ref order, ref books, now).is_ok() {
                    done.append(*job_id);
                }
            };
            self.close_books(@books);
            done
        }

        fn get_job_creator(self: @ContractState, job_id: u64) -> ContractAddress {
            let mut order: OrderCells = Default::default();
            match self.load(job_id, ref order) {
                Result::Ok(_) => self.addresses.read(order.creator),
                Result::Err(_) => Zero::zero(),
            }
        }

        fn get_job_worker(self: @ContractState, job_id: u64) -> ContractAddress {
            let mut order: OrderCells = Default::default();
            match self.load(job_id, ref order) {
                Result::Ok(job) => {
                    if is_lapsed(@job, @order, get_block_timestamp()) {
                        Zero::zero()
                    } else {
                        self.addresses.read(job.worker)
                    }
                },
                Result::Err(_) => Zero::zero(),
            }
        }

        fn get_job_reward(self: @ContractState, job_id: u64) -> u256 {
            let mut order: OrderCells = Default::default();
            // An unknown id leaves the order empty.
            let _found = self.load(job_id, ref order);
            order.reward.into()
        }

        fn get_job_asset_cid(self: @ContractState, job_id: u64) -> ByteArray {
            let mut order: OrderCells = Default::default();
            let _found = self.load(job_id, ref order);
            self.read_cid(asset_key(order.id), order.cid_bytes)
        }

        fn get_job_counter(self: @ContractState) -> u64 {
            self.counters.read().jobs
        }

        fn get_order_counter(self: @ContractState) -> u64 {
            self.counters.read().orders.into()
        }

        fn get_job(self: @ContractState, job_id: u64) -> Job {
            let mut order: OrderCells = Default::default();
            self.view_job(job_id, ref order)
        }

        fn get_jobs(self: @ContractState, first: u64, count: u32) -> Array<Job> {
            enforce(require(count <= READ_JOBS_MAX, Errors::BAD_COUNT));
            let (mut job_id, end) = self.known_range(first, count);
            let mut order: OrderCells = Default::default();
            let mut jobs: Array<Job> = array![];
            while job_id < end {
                jobs.append(self.view_job(job_id, ref order));
                job_id += 1;
            };
            jobs
        }

        fn look(self: @ContractState, first: u64, count: u32, with_orders: bool) -> Look {
            enforce(require(count <= READ_JOBS_MAX, Errors::BAD_COUNT));
            let (mut job_id, end) = self.known_range(first, count);
            let mut order: OrderCells = Default::default();
            let mut seen = 0;
            let mut jobs: Array<Job> = array![];
            let mut orders: Array<Order> = array![];
            while job_id < end {
                jobs.append(self.view_job(job_id, ref order));
                if with_orders && order.id != seen {
                    // Ids of an order's jobs are in a row: each order is met once.
                    seen = order.id;
                    orders.append(self.view_order(@order));
                }
                job_id += 1;
            };
            Look {
                block: get_block_number(),
                now: get_block_timestamp(),
                job_counter: self.counters.read().jobs,
                jobs,
                orders,
            }
        }

        fn get_job_slots(self: @ContractState, first: u64, count: u32) -> Array<felt252> {
            enforce(require(count <= READ_SLOTS_MAX, Errors::BAD_COUNT));
            let (mut job_id, end) = self.known_range(first, count);
            let mut slots: Array<felt252> = array![];
            while job_id < end {
                slots.append(self.jobs.read(job_id));
                job_id += 1;
            };
            slots
        }

        fn get_order(self: @ContractState, order_id: u64) -> Order {
            let counters = self.counters.read();
            enforce(
                require(
                    order_id != 0 && order_id <= counters.orders.into(), Errors::UNKNOWN_ORDER
                )
            );
            self.view_order(@self.read_order(order_id.try_into().unwrap()))
        }

        fn get_credit(self: @ContractState, account: ContractAddress) -> u128 {
            self.accounts.read(account).credit
        }

        fn is_barred(self: @ContractState, job_id: u64, account: ContractAddress) -> bool {
            let index = self.accounts.read(account).index;
            let mut order: OrderCells = Default::default();
            match self.load(job_id, ref order) {
                Result::Ok(job) => index != 0
                    && ((job.worker == index && is_lapsed(@job, @order, get_block_timestamp()))
                        || self.bars.read(bar_key(job_id, index))),
                Result::Err(_) => false,
            }
        }

        fn get_token(self: @ContractState) -> ContractAddress {
            self.token.read()
        }

        fn get_totals(self: @ContractState) -> Totals {
            let sums = self.sums.read();
            Totals { escrow: sums.escrow, credits: sums.credits, burned: self.burned.read() }
        }
    }

    #[generate_trait]
    impl InternalImpl of InternalTrait {
        // Moves that have a plural: nothing is changed where they give an error

        fn claim(
            ref self: ContractState, job_id: u64, ref order: OrderCells, ref books: Books, now: u64
        ) -> Result<(), felt252> {
            let job = self.load(job_id, ref order)?;
            let caller = books.purse.index;
            let own = caller != 0 && (caller == order.creator || caller == order.arbiter);
            require(!own, Errors::OWN_JOB)?;
            require(order.worker == 0 || order.worker == caller, Errors::OTHER_WORKER)?;
            let lapsed = is_lapsed(@job, @order, now);
            // Nobody is barred from a job that nobody has touched.
            let barred = job.order != 0
                && ((lapsed && job.worker == caller) || self.bars.read(bar_key(job_id, caller)));
            require(!barred, Errors::BARRED)?;
            require(job.state == JobState::Open || lapsed, Errors::NOT_OPEN)?;
            require(now < order.deadline, Errors::DEADLINE_OVER)?;
            require(order.bond <= books.purse.credit, Errors::INSUFFICIENT_CREDIT)?;
            let lease_end = end_of(now, order.lease)?;
            if lapsed {
                self.lapse(job_id, @job, @order, ref books);
            }
            bind(ref books, order.bond);
            self
                .keep(
                    job_id,
                    @order,
                    JobCell {
                        state: JobState::Claimed,
                        worker: caller,
                        claimed_at: now,
                        ..Default::default()
                    }
                );
            self.emit(JobClaimed { job_id, worker: books.owner, amount: order.bond, lease_end });
            Result::Ok(())
        }

        fn submit(
            ref self: ContractState, job_id: u64, cid: @ByteArray, ref order: OrderCells
        ) -> Result<(), felt252> {
            let now = get_block_timestamp();
            let worker = get_caller_address();
            let mut job = self.load(job_id, ref order)?;
            require_claim(@job, @order, self.accounts.read(worker).index, now)?;
            let (words, bytes) = cid_words(cid)?;
            let review_end = end_of(now, order.review)?;
            self.write_cid(result_key(job_id), words);
            job.state = JobState::Submitted;
            job.cid_bytes = bytes;
            job.submitted_after = now - job.claimed_at;
            job.submitted_block = get_block_number();
            self.keep(job_id, @order, job);
            self.emit(ResultSubmitted { job_id, worker, review_end, result_cid: cid.clone() });
            Result::Ok(())
        }

        fn finalize(
            ref self: ContractState, job_id: u64, ref order: OrderCells, ref books: Books, now: u64
        ) -> Result<(), felt252> {
            let job = self.load(job_id, ref order)?;
            let ended = job.state == JobState::Paid || job.state == JobState::Refunded;
            require(!ended, Errors::ALREADY_FINAL)?;
            require(now >= due(@job, @order), Errors::NOT_DUE)?;
            if job.state == JobState::Submitted {
                self.pay(job_id, job, @order, ref books, 0);
            } else if job.state == JobState::Disputed {
                // The creator chose the arbiter who said nothing.
                self.burn(ref books, order.bond);
                self.pay(job_id, job, @order, ref books, 0);
            } else {
                self.take_back(job_id, job, @order, ref books, now);
            }
            Result::Ok(())
        }

        // Ends

        /// Reward, bond and `besides` to the worker.
        fn pay(
            ref self: ContractState,
            job_id: u64,
            job: JobCell,
            order: @OrderCells,
            ref books: Books,
            besides: u128
        ) {
            let amount = *order.reward + *order.bond + besides;
            self.seat(ref books, job.worker);
            free(ref books, amount);
            self.keep(job_id, order, JobCell { state: JobState::Paid, ..job });
            self.emit(JobPaid { job_id, worker: books.owner, amount });
        }

        /// Reward and `besides` to the creator; `ended` is the job after it.
        fn refund(
            ref self: ContractState,
            job_id: u64,
            ended: JobCell,
            order: @OrderCells,
            ref books: Books,
            besides: u128
        ) {
            let amount = *order.reward + besides;
            self.seat(ref books, *order.creator);
            free(ref books, amount);
            self.keep(job_id, order, ended);
            self.emit(JobRefunded { job_id, creator: books.owner, amount });
        }

        /// The end of a job that nobody has under a live claim.
        fn take_back(
            ref self: ContractState,
            job_id: u64,
            job: JobCell,
            order: @OrderCells,
            ref books: Books,
            now: u64
        ) {
            if is_lapsed(@job, order, now) {
                self.lapse(job_id, @job, order, ref books);
            }
            let ended = JobCell { state: JobState::Refunded, ..Default::default() };
            self.refund(job_id, ended, order, ref books, 0);
        }

        /// What becomes of a lapsed claim when the next move finds it.
        fn lapse(
            ref self: ContractState,
            job_id: u64,
            job: @JobCell,
            order: @OrderCells,
            ref books: Books
        ) {
            let worker = *job.worker;
            self.burn(ref books, *order.bond);
            self.bars.write(bar_key(job_id, worker), true);
            let worker = self.addresses.read(worker);
            self.emit(ClaimLapsed { job_id, worker, amount: *order.bond });
        }

        // Orders and jobs

        fn post_order(
            ref self: ContractState, asset_cid: ByteArray, terms: Terms, jobs: u32
        ) -> Result<u64, felt252> {
            let (caller, now) = (get_caller_address(), get_block_timestamp());
            let (words, cid_bytes) = cid_words(@asset_cid)?;
            require(jobs >= 1 && jobs <= JOBS_MAX, Errors::BAD_COUNT)?;
            require_terms(@terms, caller, now)?;
            let amount = terms.reward * jobs.into();
            require(amount <= AMOUNT_MAX, Errors::OVERFLOW)?;
            let mut books = self.open_books(caller);
            require(amount <= books.purse.credit, Errors::INSUFFICIENT_CREDIT)?;
            bind(ref books, amount);
            self.close_books(@books);
            let arbiter = self.index_of(terms.arbiter);
            let worker = self.index_of(terms.worker);
            let mut counters = self.counters.read();
            let first_job = counters.jobs + 1;
            counters.jobs += jobs.into();
            counters.orders += 1;
            require(counters.jobs <= JOB_ID_MAX, Errors::OVERFLOW)?;
            self.counters.write(counters);
            let order = OrderCells {
                id: counters.orders,
                reward: terms.reward,
                review: terms.review,
                bond: terms.bond,
                jobs,
                cid_bytes,
                created_at: now,
                deadline: terms.deadline,
                creator: books.purse.index,
                lease: terms.lease,
                arbiter,
                worker,
                first_job,
                arbitration: terms.arbitration,
            };
            self.order_money.write(order.id, pack_money(@order));
            self.order_people.write(order.id, pack_people(@order));
            self.write_cid(asset_key(order.id), words);
            self
                .emit(
                    OrderCreated {
                        order_id: order.id.into(),
                        creator: caller,
                        first_job,
                        jobs,
                        amount,
                        asset_cid
                    }
                );
            Result::Ok(first_job)
        }

        /// A job's cell, and its order in `order`, which may hold it already. The cell of a job that nobody
        /// has touched has the order 0.
        fn load(
            self: @ContractState, job_id: u64, ref order: OrderCells
        ) -> Result<JobCell, felt252> {
            let cell = self.jobs.read(job_id);
            if cell != 0 {
                let job = unpack_job(cell);
                if order.id != job.order {
                    order = self.read_order(job.order);
                }
                return Result::Ok(job);
            }
            if job_id < order.first_job || job_id >= order.first_job + order.jobs.into() {
                let counters = self.counters.read();
                require(job_id != 0 && job_id <= counters.jobs, Errors::UNKNOWN_JOB)?;
                order = self.read_order(self.find_order(job_id, counters.orders));
            }
            Result::Ok(Default::default())
        }

        /// The order of a job that exists: back from the newest in growing steps, then by halves.
        fn find_order(self: @ContractState, job_id: u64, newest: u32) -> u32 {
            let mut low = newest;
            let mut above = newest + 1;
            let mut step = 1;
            while self.first_job_of(low) > job_id {
                above = low;
                low = if low > step {
                    low - step
                } else {
                    1
                };
                step = step * 2;
            };
            while above - low > 1 {
                let middle = (low + above) / 2;
                if self.first_job_of(middle) > job_id {
                    above = middle;
                } else {
                    low = middle;
                }
            };
            low
        }

        fn first_job_of(self: @ContractState, order: u32) -> u64 {
            let halves: u256 = self.order_people.read(order).into();
            // arbiter, worker and arbitration lie below it
            (halves.high / (BITS_32 * BITS_32 * BITS_22)).try_into().unwrap()
        }

        fn read_order(self: @ContractState, id: u32) -> OrderCells {
            let mut order: OrderCells = Default::default();
            order.id = id;
            unpack_money(self.order_money.read(id), ref order);
            unpack_people(self.order_people.read(id), ref order);
            order
        }

        fn keep(ref self: ContractState, job_id: u64, order: @OrderCells, job: JobCell) {
            let cell = JobCell { order: *order.id, ..job };
            self.jobs.write(job_id, pack_job(@cell));
        }

        fn view_job(self: @ContractState, job_id: u64, ref order: OrderCells) -> Job {
            let job = enforce(self.load(job_id, ref order));
            let submitted = job.cid_bytes != 0;
            Job {
                id: job_id,
                order: order.id.into(),
                part: (job_id - order.first_job).try_into().unwrap(),
                state: job.state,
                worker: self.addresses.read(job.worker),
                claimed_at: job.claimed_at,
                lease_end: if job.worker != 0 {
                    job.claimed_at + order.lease
                } else {
                    0
                },
                review_end: if submitted {
                    review_end(@job, @order)
                } else {
                    0
                },
                arbitration_end: if job.disputed {
                    arbitration_end(@job, @order)
                } else {
                    0
                },
                submitted_block: job.submitted_block,
                disputed_block: if job.disputed {
                    job.submitted_block + job.disputed_blocks
                } else {
                    0
                },
                result_cid: self.read_cid(result_key(job_id), job.cid_bytes),
            }
        }

        fn view_order(self: @ContractState, order: @OrderCells) -> Order {
            Order {
                id: (*order.id).into(),
                creator: self.addresses.read(*order.creator),
                asset_cid: self.read_cid(asset_key(*order.id), *order.cid_bytes),
                terms: Terms {
                    reward: *order.reward,
                    bond: *order.bond,
                    deadline: *order.deadline,
                    lease: *order.lease,
                    review: *order.review,
                    arbitration: *order.arbitration,
                    arbiter: self.addresses.read(*order.arbiter),
                    worker: self.addresses.read(*order.worker),
                },
                first_job: *order.first_job,
                jobs: *order.jobs,
                created_at: *order.created_at,
            }
        }

        /// The first of these ids that exist, and the one after the last.
        fn known_range(self: @ContractState, first: u64, count: u32) -> (u64, u64) {
            let known = self.counters.read().jobs;
            if first > known {
                return (0, 0);
            }
            (core::cmp::max(first, 1), core::cmp::min(first + count.into(), known + 1))
        }

        fn write_cid(ref self: ContractState, key: felt252, words: Span<felt252>) {
            let mut key = key;
            for word in words {
                self.cids.write(key, *word);
                key += 1;
            };
        }

        fn read_cid(self: @ContractState, key: felt252, bytes: u32) -> ByteArray {
            let (full_words, pending_bytes) = DivRem::div_rem(bytes, WORD_BYTES.try_into().unwrap());
            let mut felts: Array<felt252> = array![full_words.into()];
            let mut word = 0;
            while word < full_words {
                felts.append(self.cids.read(key + word.into()));
                word += 1;
            };
            felts
                .append(
                    if pending_bytes == 0 {
                        0
                    } else {
                        self.cids.read(key + full_words.into())
                    }
                );
            felts.append(pending_bytes.into());
            let mut felts = felts.span();
            Serde::<ByteArray>::deserialize(ref felts).unwrap()
        }

        // Accounts and money

        /// An address's index, a new one for an address not seen before; 0 for address 0.
        fn index_of(ref self: ContractState, address: ContractAddress) -> u32 {
            if address == Zero::zero() {
                return 0;
            }
            let account = self.accounts.read(address);
            if account.index != 0 {
                return account.index;
            }
            let mut counters = self.counters.read();
            counters.accounts += 1;
            self.counters.write(counters);
            self.addresses.write(counters.accounts, address);
            self.accounts.write(address, Account { index: counters.accounts, ..account });
            counters.accounts
        }

        fn open_books(self: @ContractState, owner: ContractAddress) -> Books {
            let purse = if owner == Zero::zero() {
                Account { index: 0, credit: 0 }
            } else {
                self.accounts.read(owner)
            };
            Books { sums: self.sums.read(), owner, purse }
        }

        fn close_books(ref self: ContractState, books: @Books) {
            self.sums.write(*books.sums);
            self.put_purse(books);
        }

        /// Keeps the account at hand. One without an index never has credit: nothing to keep.
        fn put_purse(ref self: ContractState, books: @Books) {
            if *books.purse.index != 0 {
                self.accounts.write(*books.owner, *books.purse);
            }
        }

        /// Takes another account in hand.
        fn seat(ref self: ContractState, ref books: Books, index: u32) {
            if books.purse.index != index {
                self.put_purse(@books);
                books.owner = self.addresses.read(index);
                books.purse = self.accounts.read(books.owner);
            }
        }

        fn burn(ref self: ContractState, ref books: Books, amount: u128) {
            books.sums.escrow -= amount;
            if amount != 0 {
                self.burned.write(self.burned.read() + amount);
            }
        }
    }
}
