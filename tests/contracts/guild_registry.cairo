// SPDX-License-Identifier: Apache-2.0
//! A foreign job registry, for tests only: felt252 ids from 0, CIDs as two felts, no claim, workers with standing.
//!
//! Its views panic for ids that were never given, and for what is not there yet; its counter is the next id; its
//! functions lie at the top of the ABI. A worker registers itself, the owner verifies it, and each result that is
//! submitted before the deadline adds to its reputation, of which a job may want some. It only notes rewards and
//! pays nothing.

#[starknet::contract]
mod guild_registry {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};

    #[storage]
    struct Storage {
        owner: ContractAddress,
        paused: bool,
        next: felt252,
        creators: Map<felt252, ContractAddress>,
        workers: Map<felt252, ContractAddress>,
        rewards: Map<felt252, u256>,
        deadlines: Map<felt252, u64>,
        wanted: Map<felt252, u16>,
        assets: Map<felt252, (felt252, felt252)>,
        results: Map<felt252, (felt252, felt252)>,
        registered: Map<ContractAddress, bool>,
        verified: Map<ContractAddress, bool>,
        done: Map<ContractAddress, u32>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, owner: ContractAddress) {
        self.owner.write(owner);
    }

    #[abi(per_item)]
    #[generate_trait]
    impl GuildRegistry of IGuildRegistry {
        /// Returns the job's id. `reputation`: how many results its worker must have had taken before.
        #[external(v0)]
        fn create_job(
            ref self: ContractState,
            asset_cid_part1: felt252,
            asset_cid_part2: felt252,
            reward: u256,
            deadline: u64,
            reputation: u16
        ) -> felt252 {
            let job_id = self.next.read();
            self.next.write(job_id + 1);
            self.creators.write(job_id, get_caller_address());
            self.rewards.write(job_id, reward);
            self.deadlines.write(job_id, deadline);
            self.wanted.write(job_id, reputation);
            self.assets.write(job_id, (asset_cid_part1, asset_cid_part2));
            job_id
        }

        /// The first one in time counts.
        #[external(v0)]
        fn submit_result(
            ref self: ContractState,
            job_id: felt252,
            result_cid_part1: felt252,
            result_cid_part2: felt252
        ) {
            let worker = get_caller_address();
            self.require(job_id);
            assert(!self.paused.read(), 'PAUSED');
            assert(self.verified.read(worker), 'NOT_VERIFIED');
            assert(self.done.read(worker) >= self.wanted.read(job_id).into(), 'REPUTATION_TOO_LOW');
            assert(get_block_timestamp() < self.deadlines.read(job_id), 'TOO_LATE');
            assert(Zero::is_zero(@self.workers.read(job_id)), 'ALREADY_COMPLETED');
            self.workers.write(job_id, worker);
            self.results.write(job_id, (result_cid_part1, result_cid_part2));
            self.done.write(worker, self.done.read(worker) + 1);
        }

        #[external(v0)]
        fn register_worker(ref self: ContractState) {
            self.registered.write(get_caller_address(), true);
        }

        /// The owner's: lets a registered worker submit.
        #[external(v0)]
        fn verify_worker(ref self: ContractState, worker: ContractAddress) {
            assert(get_caller_address() == self.owner.read(), 'NOT_OWNER');
            assert(self.registered.read(worker), 'NOT_REGISTERED');
            self.verified.write(worker, true);
        }

        /// The owner's.
        #[external(v0)]
        fn pause(ref self: ContractState, paused: bool) {
            assert(get_caller_address() == self.owner.read(), 'NOT_OWNER');
            self.paused.write(paused);
        }

        #[external(v0)]
        fn paused(self: @ContractState) -> bool {
            self.paused.read()
        }

        /// Verified, reputation, done, failed.
        #[external(v0)]
        fn get_worker_status(self: @ContractState, worker: ContractAddress) -> (bool, u16, u32, u32) {
            assert(self.registered.read(worker), 'NOT_REGISTERED');
            let done = self.done.read(worker);
            (self.verified.read(worker), done.try_into().unwrap(), done, 0)
        }

        #[external(v0)]
        fn get_minimum_reputation_for_job(self: @ContractState, job_id: felt252) -> u16 {
            self.require(job_id);
            self.wanted.read(job_id)
        }

        /// The next id.
        #[external(v0)]
        fn get_job_counter(self: @ContractState) -> felt252 {
            self.next.read()
        }

        #[external(v0)]
        fn get_job_creator(self: @ContractState, job_id: felt252) -> felt252 {
            self.require(job_id);
            self.creators.read(job_id).into()
        }

        #[external(v0)]
        fn get_job_worker(self: @ContractState, job_id: felt252) -> ContractAddress {
            let worker = self.workers.read(job_id);
            assert(!Zero::is_zero(@worker), 'NO_WORKER_YET');
            worker
        }

        #[external(v0)]
        fn get_job_reward(self: @ContractState, job_id: felt252) -> u256 {
            self.require(job_id);
            self.rewards.read(job_id)
        }

        #[external(v0)]
        fn get_job_deadline(self: @ContractState, job_id: felt252) -> u64 {
            self.require(job_id);
            self.deadlines.read(job_id)
        }

        #[external(v0)]
        fn get_job_asset_cid(self: @ContractState, job_id: felt252) -> (felt252, felt252) {
            self.require(job_id);
            self.assets.read(job_id)
        }

        #[external(v0)]
        fn get_job_result(self: @ContractState, job_id: felt252) -> (felt252, felt252) {
            assert(self.is_job_completed(job_id) != 0, 'NO_RESULT_YET');
            self.results.read(job_id)
        }

        /// 1 or 0.
        #[external(v0)]
        fn is_job_completed(self: @ContractState, job_id: felt252) -> u8 {
            self.require(job_id);
            if Zero::is_zero(@self.workers.read(job_id)) {
                0
            } else {
                1
            }
        }

        fn require(self: @ContractState, job_id: felt252) {
            assert(!Zero::is_zero(@self.creators.read(job_id)), 'NO_SUCH_JOB');
        }
    }
}
