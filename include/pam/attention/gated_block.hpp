// SPDX-License-Identifier: MIT
/// GatedBlock<Main, Branch>: the paper's attention over a main branch of your own, itself a block. `Main` is any block,
/// such as a residual bottleneck with BatchNorm; `Branch` gives the attention map:
///
///     Y = F * A + F,   F = Main(X),   A = FalsePositiveBranch(X)            (equation 1, the default)
///     Y = F * A + F,   F = Main(X),   A = ReverseFalseNegativeBranch(F)     (equation 2)
///
///     pam::GatedBlock<Bottleneck> block(pam::GatedBlockOptions<Bottleneck>(64, 128).stride(2));
///
/// With Main = ConvBlock this computes what `FalsePositiveAttention` and `ReverseFalseNegativeAttention` compute. Those
/// are faster: they know F's last norm and ReLU, which they fuse with the gate.
#pragma once

#include <pam/attention/false_positive_branch.hpp>
#include <pam/core/inspect.hpp>
#include <pam/core/module.hpp>
#include <pam/core/traits.hpp>

#include <algorithm>

namespace pam {

namespace detail {

template <typename Branch, typename = void>
struct may_read_features : std::false_type {};
template <typename Branch>
struct may_read_features<Branch, std::void_t<decltype(std::declval<const Branch&>().reads_features())>>
    : std::true_type {};

}  // namespace detail

template <typename Main, typename Branch = FalsePositiveBranch>
struct GatedBlockOptions {
  static_assert(sizeof(BlockCheck<Main>) != 0 && sizeof(BlockCheck<Branch>) != 0);

  GatedBlockOptions() = default;
  GatedBlockOptions(std::int64_t in_channels, std::int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}
  /// Channels of X.
  TORCH_ARG(std::int64_t, in_channels) = 0;
  /// Channels of F, A and Y.
  TORCH_ARG(std::int64_t, out_channels) = 0;
  /// Stride of the main branch and of a branch that reads X. Default: 1.
  TORCH_ARG(std::int64_t, stride) = 1;
  /// Y = F * A + F; false: Y = F * A.
  TORCH_ARG(bool, identity) = true;
  /// Prototype of the main branch; its channels and stride are filled in from the options above.
  TORCH_ARG(options_t<Main>, main);
  /// Prototype of the attention branch; likewise.
  TORCH_ARG(options_t<Branch>, branch);

 public:  // TORCH_ARG ends in private:
  template <typename Self, typename Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("in_channels", self.in_channels_);
    field("out_channels", self.out_channels_);
    field("stride", self.stride_);
    field("identity", self.identity_);
    field("main", self.main_);
    field("branch", self.branch_);
  }
};

/// (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)). `forward` throws `Error` for
/// another shape, and where the branch's A has another shape than F.
///
/// A branch of your own is a block whose forward gives A in [0, 1]. It reads X, or, where it has a method
/// `bool reads_features() const` that returns true, F.
template <typename Main, typename Branch = FalsePositiveBranch>
class GatedBlockImpl final : public torch::nn::Cloneable<GatedBlockImpl<Main, Branch>>, public Inspectable {
 public:
  using Options = GatedBlockOptions<Main, Branch>;
  /// As the branch does: with `ReverseFalseNegativeBranch` in the encoder networks learn reversed labels by default.
  static constexpr bool kTrainsReversed = detail::trains_reversed<Branch>::value;

  explicit GatedBlockImpl(const Options& options_) : options(options_) { reset(); }

  void reset() override {
    main = this->register_module("main", make<Main>(options.main()));
    branch = this->register_module("branch", make<Branch>(options.branch()));
  }

  torch::Tensor forward(const torch::Tensor& input) {
    check_nchw(input, options.in_channels(), "GatedBlock");
    const auto features = main(input);
    const auto attention = branch(reads_features() ? features : input);
    check(attention.sizes() == features.sizes(),
          "GatedBlock: F is {}, but the branch's A is {}; both must have out_channels channels and the size that the "
          "stride gives",
          shape_string(features), shape_string(attention));
    const auto gated = features * attention;
    const auto output = options.identity() ? gated + features : gated;
    keep(attention, features, output);
    return output;
  }

  /// The smallest input side that leaves both branches more than one pixel to normalise.
  [[nodiscard]] std::int64_t min_size() const {
    const auto stride = options.stride(), of_main = min_size_of(main, stride);
    if (!reads_features()) return std::max(of_main, min_size_of(branch, stride));
    return std::max(of_main, (min_size_of(branch, 1) - 1) * stride + 1);  // F's side n is ceil(side / stride)
  }

  void pretty_print(std::ostream& stream) const override { print_options(stream, "GatedBlock", options, 2); }

  Options options;
  Main main{nullptr};      ///< F
  Branch branch{nullptr};  ///< A

 private:
  template <typename Block>
  Block make(options_t<Block> part) const {
    part.in_channels(options.in_channels()).out_channels(options.out_channels()).stride(options.stride());
    return Block(part);
  }

  [[nodiscard]] bool reads_features() const {
    if constexpr (detail::may_read_features<typename Branch::Impl>::value) return branch->reads_features();
    return false;
  }
};

/// Holder of `GatedBlockImpl`, written out because PAM_MODULE does not take templates.
template <typename Main, typename Branch = FalsePositiveBranch>
class GatedBlock : public torch::nn::ModuleHolder<GatedBlockImpl<Main, Branch>> {
 public:
  using Impl = GatedBlockImpl<Main, Branch>;
  PAM_MODULE_CONSTRUCTORS(GatedBlock, "GatedBlockOptions<Main>")
};

}  // namespace pam
