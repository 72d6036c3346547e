// SPDX-License-Identifier: MIT
/// Network: any net of pam behind one type, chosen at run time. Like LibTorch's module holders it is a reference:
/// copies share the weights, `clone()` copies them. nets/zoo.hpp builds Networks by name or from JSON.
#pragma once

#include <pam/core/clone.hpp>
#include <pam/core/prediction.hpp>
#include <pam/nets/network_json.hpp>

#include <memory>
#include <ostream>
#include <string>
#include <utility>

namespace pam {

/// A type-erased net. The net that it wraps is a module holder whose Impl offers `options` (with in_channels, classes,
/// reversed and `visit`), `min_size()` and a forward from (N, in_channels, H, W) to logits (N, classes, H, W).
/// An empty Network (default-constructed) throws on every use but `operator bool`.
class Network {
 public:
  Network() = default;

  /// Wraps `net`, which keeps its weights: both refer to the same module.
  template <typename Net>
  Network(std::string name, Net net) : self_(std::make_shared<Wrapped<Net>>(std::move(name), std::move(net))) {}

  /// x (N, in_channels, H, W), sides at least `min_size()` -> logits (N, classes, H, W).
  torch::Tensor operator()(const torch::Tensor& x) const { return self().forward(x); }
  /// Class probabilities, reversed labels undone: see `pam::probabilities`.
  [[nodiscard]] torch::Tensor probabilities(const torch::Tensor& x) const {
    return pam::probabilities((*this)(x), reversed());
  }

  /// The module itself: `net->parameters()`, `net->eval()`, `net->to(torch::kCUDA)`.
  torch::nn::Module* operator->() const { return self().module().get(); }
  torch::nn::Module& operator*() const { return *self().module(); }
  [[nodiscard]] std::shared_ptr<torch::nn::Module> ptr() const { return self().module(); }
  explicit operator bool() const { return self_ != nullptr; }

  /// The name in the zoo that the net was built by.
  [[nodiscard]] const std::string& name() const { return self().name; }
  [[nodiscard]] std::int64_t in_channels() const { return self().in_channels(); }
  /// Channels of the logits: 1 is binary, N >= 2 is N classes with channel 0 the background.
  [[nodiscard]] std::int64_t classes() const { return self().classes(); }
  /// The smallest height and width of an input, in pixels.
  [[nodiscard]] std::int64_t min_size() const { return self().min_size(); }
  /// The net learns 1 - label, and its prediction is p < 0.5.
  [[nodiscard]] bool reversed() const { return self().reversed(); }

  /// "name" and every option, so that `network_from_json` builds the same net from it even if a preset changes.
  [[nodiscard]] nlohmann::json options() const {
    auto json = self().options();
    json["name"] = name();
    return json;
  }

  /// A deep copy; frozen parameters stay frozen and the random generator's state does not change.
  [[nodiscard]] Network clone() const { return Network(self().clone()); }

  /// The net as its own type, sharing the weights: `network.as<UNet<ConvBlock>>()`. Throws where it is another type.
  template <typename Net>
  [[nodiscard]] Net as() const {
    const auto* wrapped = dynamic_cast<const Wrapped<Net>*>(&self());
    check(wrapped != nullptr, "Network: '{}' is not of the requested type", name());
    return wrapped->net;
  }

 private:
  struct Interface {
    explicit Interface(std::string name_) : name(std::move(name_)) {}
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;
    virtual ~Interface() = default;
    [[nodiscard]] virtual torch::Tensor forward(const torch::Tensor& x) const = 0;
    [[nodiscard]] virtual std::shared_ptr<torch::nn::Module> module() const = 0;
    [[nodiscard]] virtual std::int64_t in_channels() const = 0;
    [[nodiscard]] virtual std::int64_t classes() const = 0;
    [[nodiscard]] virtual std::int64_t min_size() const = 0;
    [[nodiscard]] virtual bool reversed() const = 0;
    [[nodiscard]] virtual nlohmann::json options() const = 0;
    [[nodiscard]] virtual std::shared_ptr<const Interface> clone() const = 0;
    std::string name;
  };

  template <typename Net>
  struct Wrapped final : Interface {
    Wrapped(std::string name_, Net net_) : Interface(std::move(name_)), net(std::move(net_)) {
      check(!net.is_empty(), "Network: '{}' is an empty module holder", this->name);
    }
    torch::Tensor forward(const torch::Tensor& x) const override { return net->forward(x); }
    std::shared_ptr<torch::nn::Module> module() const override { return net.ptr(); }
    std::int64_t in_channels() const override { return net->options.in_channels(); }
    std::int64_t classes() const override { return net->options.classes(); }
    std::int64_t min_size() const override { return net->min_size(); }
    bool reversed() const override { return net->options.reversed(); }
    nlohmann::json options() const override { return detail::net_options_to_json(net->options); }
    std::shared_ptr<const Interface> clone() const override {
      return std::make_shared<Wrapped>(this->name, typed_clone(net));
    }
    mutable Net net;  // a reference: forward() of what it refers to is not const
  };

  explicit Network(std::shared_ptr<const Interface> self) : self_(std::move(self)) {}

  [[nodiscard]] const Interface& self() const {
    check(self_ != nullptr, "Network: it is empty; build one with build_network({{\"unet\", 4}})");
    return *self_;
  }

  std::shared_ptr<const Interface> self_;
};

/// So that templates over models copy a Network as they copy a module holder.
inline Network typed_clone(const Network& network) { return network.clone(); }

/// Prints the module tree.
inline std::ostream& operator<<(std::ostream& stream, const Network& network) { return stream << *network; }

}  // namespace pam
