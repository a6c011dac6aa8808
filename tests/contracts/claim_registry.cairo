// SPDX-License-Identifier: Apache-2.0
//! A foreign job registry, for tests only: u256 ids, CIDs as ByteArray, a claim, a counter, events, no `get_jobs`.
//!
//! Ids run from 1. Who claims first, alone may submit, with no time limit, and is paid at once. Not fit for
//! real money.

use starknet::ContractAddress;

#[starknet::interface]
trait IToken<T> {
    fn transfer(ref self: T, recipient: ContractAddress, amount: u256) -> bool;
    fn transfer_from(
        ref self: T, sender: ContractAddress, recipient: ContractAddress, amount: u256
    ) -> bool;
}

#[starknet::interface]
trait IClaimRegistry<T> {
    /// Takes the reward from the caller, who has approved it. Returns the job's id.
    fn create_job(ref self: T, asset_cid: ByteArray, reward: u256) -> u256;
    /// Binds an open job to the caller.
    fn claim_job(ref self: T, job_id: u256);
    /// The claimant's: sends the result and is paid.
    fn submit_result(ref self: T, job_id: u256, result_cid: ByteArray);
    fn get_job_counter(self: @T) -> u256;
    fn get_job_creator(self: @T, job_id: u256) -> ContractAddress;
    fn get_job_worker(self: @T, job_id: u256) -> ContractAddress;
    fn get_job_reward(self: @T, job_id: u256) -> u256;
    fn get_job_asset_cid(self: @T, job_id: u256) -> ByteArray;
    fn get_job_result_cid(self: @T, job_id: u256) -> ByteArray;
}

#[starknet::contract]
mod claim_registry {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use super::{ITokenDispatcher, ITokenDispatcherTrait};

    #[storage]
    struct Storage {
        token: ContractAddress,
        newest: u256,
        creators: Map<u256, ContractAddress>,
        workers: Map<u256, ContractAddress>,
        rewards: Map<u256, u256>,
        is_paid: Map<u256, bool>,
        assets: Map<u256, ByteArray>,
        results: Map<u256, ByteArray>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        JobCreated: JobCreated,
        JobClaimed: JobClaimed,
        JobCompleted: JobCompleted,
    }

    #[derive(Drop, starknet::Event)]
    struct JobCreated {
        #[key]
        job_id: u256,
        creator: ContractAddress,
        reward: u256,
        asset_cid: ByteArray,
    }

    #[derive(Drop, starknet::Event)]
    struct JobClaimed {
        #[key]
        job_id: u256,
        worker: ContractAddress,
    }

    #[derive(Drop, starknet::Event)]
    struct JobCompleted {
        #[key]
        job_id: u256,
        worker: ContractAddress,
        result_cid: ByteArray,
    }

    #[constructor]
    fn constructor(ref self: ContractState, token: ContractAddress) {
        self.token.write(token);
    }

    #[abi(embed_v0)]
    impl ClaimRegistry of super::IClaimRegistry<ContractState> {
        fn create_job(ref self: ContractState, asset_cid: ByteArray, reward: u256) -> u256 {
            let creator = get_caller_address();
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer_from(creator, get_contract_address(), reward), 'TOKEN_REFUSED');
            let job_id = self.newest.read() + 1;
            self.newest.write(job_id);
            self.creators.write(job_id, creator);
            self.rewards.write(job_id, reward);
            self.assets.write(job_id, asset_cid.clone());
            self.emit(JobCreated { job_id, creator, reward, asset_cid });
            job_id
        }

        fn claim_job(ref self: ContractState, job_id: u256) {
            assert(!Zero::is_zero(@self.creators.read(job_id)), 'NO_SUCH_JOB');
            assert(Zero::is_zero(@self.workers.read(job_id)), 'NOT_OPEN');
            self.workers.write(job_id, get_caller_address());
            self.emit(JobClaimed { job_id, worker: get_caller_address() });
        }

        fn submit_result(ref self: ContractState, job_id: u256, result_cid: ByteArray) {
            let worker = get_caller_address();
            assert(self.workers.read(job_id) == worker, 'NOT_CLAIMANT');
            assert(!self.is_paid.read(job_id), 'ALREADY_PAID');
            self.is_paid.write(job_id, true);
            self.results.write(job_id, result_cid.clone());
            self.emit(JobCompleted { job_id, worker, result_cid });
            let token = ITokenDispatcher { contract_address: self.token.read() };
            assert(token.transfer(worker, self.rewards.read(job_id)), 'TOKEN_REFUSED');
        }

        fn get_job_counter(self: @ContractState) -> u256 {
            self.newest.read()
        }

        fn get_job_creator(self: @ContractState, job_id: u256) -> ContractAddress {
            self.creators.read(job_id)
        }

        fn get_job_worker(self: @ContractState, job_id: u256) -> ContractAddress {
            self.workers.read(job_id)
        }

        fn get_job_reward(self: @ContractState, job_id: u256) -> u256 {
            self.rewards.read(job_id)
        }

        fn get_job_asset_cid(self: @ContractState, job_id: u256) -> ByteArray {
            self.assets.read(job_id)
        }

        fn get_job_result_cid(self: @ContractState, job_id: u256) -> ByteArray {
            self.results.read(job_id)
        }
    }
}
