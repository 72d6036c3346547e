// SPDX-License-Identifier: MIT
/// `CaseShares` divides the samples of an epoch among several processes. A process gets whole cases, so that no two
/// processes see slices of one volume in the same epoch, and every sample belongs to exactly one process.
///
/// Shares are as even as whole cases allow (the largest case first, each to the process with the fewest samples so far:
/// Graham 1969, https://doi.org/10.1137/0117039); cases of one size are dealt anew in every epoch. The sizes of the
/// shares do not depend on the draw, so `length`, the largest of them, is the same in every epoch and process. A
/// process with fewer samples repeats its own, from the first on, until it has as many; so none waits for another.
#pragma once

#include <pam/core/error.hpp>
#include <pam/data/detail/random.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace pam {

class CaseShares {
 public:
  /// `case_of[i]` is the case of sample i. Throws `Error` where there are fewer cases than processes.
  CaseShares(const std::vector<std::string>& case_of, std::int64_t processes) {
    check(processes >= 1, "case shares: there must be at least one process, got {}", processes);
    std::map<std::string, std::size_t> known;
    for (std::size_t i = 0; i < case_of.size(); ++i) {
      const auto found = known.emplace(case_of[i], cases_.size());
      if (found.second) cases_.emplace_back();
      cases_[found.first->second].push_back(static_cast<std::int64_t>(i));
    }
    check(static_cast<std::int64_t>(cases_.size()) >= processes,
          "there are {} training cases for {} processes, and each process trains on whole cases; start at most {}",
          cases_.size(), processes, cases_.size());
    sizes_.resize(static_cast<std::size_t>(processes));
    samples_ = static_cast<std::int64_t>(case_of.size());
    static_cast<void>(owners(identity(), sizes_));
  }

  /// Samples of each process in an epoch, repeated ones included: the size of the largest share.
  [[nodiscard]] std::int64_t length() const { return *std::max_element(sizes_.begin(), sizes_.end()); }
  /// The number of repeated samples in an epoch, over all processes.
  [[nodiscard]] std::int64_t repeated() const { return static_cast<std::int64_t>(sizes_.size()) * length() - samples_; }

  /// The samples that belong to process `rank` when `random` draws, ascending and without repeated ones.
  [[nodiscard]] std::vector<std::int64_t> share(std::int64_t rank, SampleRandom random) const {
    auto order = identity();
    random.shuffle(order);
    std::vector<std::int64_t> sizes(sizes_.size());
    const auto owner = owners(order, sizes);
    std::vector<std::int64_t> samples;
    for (std::size_t each = 0; each < cases_.size(); ++each) {
      if (owner[each] == rank) samples.insert(samples.end(), cases_[each].begin(), cases_[each].end());
    }
    std::sort(samples.begin(), samples.end());
    return samples;
  }

  /// `samples`, then its first ones again, `length()` in all.
  [[nodiscard]] std::vector<std::int64_t> filled(std::vector<std::int64_t> samples) const {
    const auto own = samples.size();
    for (std::size_t i = 0; static_cast<std::int64_t>(samples.size()) < length(); ++i) {
      samples.push_back(samples[i % own]);
    }
    return samples;
  }

 private:
  [[nodiscard]] std::vector<std::size_t> identity() const {
    std::vector<std::size_t> order(cases_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    return order;
  }

  /// The process of each case, where cases of one size come in `order`; adds to `sizes`, one per process.
  [[nodiscard]] std::vector<std::int64_t> owners(std::vector<std::size_t> order,
                                                 std::vector<std::int64_t>& sizes) const {
    std::stable_sort(order.begin(), order.end(),
                     [this](std::size_t a, std::size_t b) { return cases_[a].size() > cases_[b].size(); });
    std::vector<std::int64_t> owner(cases_.size());
    for (const auto each : order) {
      const auto least = std::min_element(sizes.begin(), sizes.end());
      owner[each] = least - sizes.begin();
      *least += static_cast<std::int64_t>(cases_[each].size());
    }
    return owner;
  }

  std::vector<std::vector<std::int64_t>> cases_;  ///< the samples of each
  std::vector<std::int64_t> sizes_;               ///< of the shares, without repeated samples
  std::int64_t samples_ = 0;
};

}  // namespace pam
