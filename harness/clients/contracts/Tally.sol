// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// A sum that anybody adds to. It has one of everything that clients decode: a getter, a mapping, an event with
/// indexed fields, errors of all three kinds, and a function whose gas depends on what it is given.
contract Tally {
    error TooMuch(uint256 asked, uint256 most);

    event Counted(address indexed by, uint256 indexed step, uint256 total, string note);

    uint256 public total;
    mapping(address => uint256) public counted;

    constructor(uint256 first) {
        total = first;
    }

    function count(uint256 step, string calldata note) external payable returns (uint256) {
        if (step > 100) revert TooMuch(step, 100);
        require(step != 0, "a step of nothing");
        total += step;
        counted[msg.sender] += step;
        emit Counted(msg.sender, step, total, note);
        return total;
    }

    function share(uint256 among) external view returns (uint256) {
        return total / among;
    }

    function fill(uint256 from, uint256 slots) external {
        for (uint256 i; i < slots; i++) counted[address(uint160(from + i))] = i + 1;
    }

    receive() external payable {}
}
