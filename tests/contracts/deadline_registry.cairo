// SPDX-License-Identifier: Apache-2.0
//! A foreign job registry, for tests only: u64 ids, CIDs as pairs of short strings, a counter, pay when due.
//!
//! Ids run from 1. The first result submitted before the deadline counts; from the deadline on, anyone may call
//! `finalize_job`, which pays its worker, or the creator where there is none. Not fit for real money.

use starknet::ContractAddress;

#[starknet::interface]
trait IToken<T> {
    fn transfer(ref self: T, recipient: ContractAddress, amount: u256) -> bool;
    fn transfer_from(
        ref self: T, sender: ContractAddress, recipient: ContractAddress, amount: u256
    ) -> bool;
}

#[starknet::interface]
trait IDeadlineRegistry<T> {
    /// Takes the reward from the caller, who has approved it. Returns the job's id.
    fn create_job(ref self: T, asset_cid: (felt252, felt252), reward: u256, deadline: u64) -> u64;
    /// Sends the job's result. Needs a job without a result, before its deadline.
    fn submit_result(ref self: T, job_id: u64, result_cid: (felt252, felt252));
    /// Anyone's, from the deadline on, once: pays.
    fn finalize_job(ref self: T, job_id: u64);
    fn get_job_counter(self: @T) -> u64;
    fn get_job_creator(self: @T, job_id: u64) -> ContractAddress;
    fn get_job_worker(self: @T, job_id: u64) -> ContractAddress;
    fn get_job_reward(self: @T, job_id: u64) -> u256;
    fn get_job_deadline(self: @T, job_id: u64) -> u64;
    fn get_job_asset_cid(self: @T, job_id: u64) -> (felt252, felt252);
    fn get_job_result_cid(self: @T, job_id: u64) -> (felt252, felt252);
}

#[starknet::contract]
mod deadline_registry {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address, get_contract_address};
    use super::{ITokenDispatcher, ITokenDispatcherTrait};

    #[storage]
    struct Storage {
        token: ContractAddress,
        newest: u64,
        creators: Map<u64, ContractAddress>,
        workers: Map<u64, ContractAddress>,
        rewards: Map<u64, u256>,
        deadlines: Map<u64, u64>,
        is_final: Map<u64, bool>,
        assets: Map<u64, (felt252, felt252)>,
        results: Map<u64, (felt252, felt252)>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, token: ContractAddress) {
        self.token.write(token);
    }

    #[abi(embed_v0)]
    impl DeadlineRegistry of super::IDeadlineRegistry<ContractState> {
        fn create_job(
            ref self: ContractState, asset_cid: (felt252, felt252), reward: u256, deadline: u64
        ) -> u64 {
            assert(deadline > get_block_timestamp(), 'DEADLINE_PASSED');
            let creator = get_caller_address();
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer_from(creator, get_contract_address(), reward), 'TOKEN_REFUSED');
            let job_id = self.newest.read() + 1;
            self.newest.write(job_id);
            self.creators.write(job_id, creator);
            self.rewards.write(job_id, reward);
            self.deadlines.write(job_id, deadline);
            self.assets.write(job_id, asset_cid);
            job_id
        }

        fn submit_result(ref self: ContractState, job_id: u64, result_cid: (felt252, felt252)) {
            assert(get_block_timestamp() < self.deadlines.read(job_id), 'DEADLINE_PASSED');
            assert(Zero::is_zero(@self.workers.read(job_id)), 'HAS_A_RESULT');
            self.workers.write(job_id, get_caller_address());
            self.results.write(job_id, result_cid);
        }

        fn finalize_job(ref self: ContractState, job_id: u64) {
            assert(!Zero::is_zero(@self.creators.read(job_id)), 'NO_SUCH_JOB');
            assert(get_block_timestamp() >= self.deadlines.read(job_id), 'TOO_EARLY');
            assert(!self.is_final.read(job_id), 'ALREADY_FINAL');
            self.is_final.write(job_id, true);
            let worker = self.workers.read(job_id);
            let payee = if Zero::is_zero(@worker) {
                self.creators.read(job_id)
            } else {
                worker
            };
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer(payee, self.rewards.read(job_id)), 'TOKEN_REFUSED');
        }

        fn get_job_counter(self: @ContractState) -> u64 {
            self.newest.read()
        }

        fn get_job_creator(self: @ContractState, job_id: u64) -> ContractAddress {
            self.creators.read(job_id)
        }

        fn get_job_worker(self: @ContractState, job_id: u64) -> ContractAddress {
            self.workers.read(job_id)
        }

        fn get_job_reward(self: @ContractState, job_id: u64) -> u256 {
            self.rewards.read(job_id)
        }

        fn get_job_deadline(self: @ContractState, job_id: u64) -> u64 {
            self.deadlines.read(job_id)
        }

        fn get_job_asset_cid(self: @ContractState, job_id: u64) -> (felt252, felt252) {
            self.assets.read(job_id)
        }

        fn get_job_result_cid(self: @ContractState, job_id: u64) -> (felt252, felt252) {
            self.results.read(job_id)
        }
    }
}
