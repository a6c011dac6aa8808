// SPDX-License-Identifier: MIT
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
        ITokenDispatcher, ITokenDispatcherTrait, Job, JobState, Order, Terms, Totals, Verdict
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

}
