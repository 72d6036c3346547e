// SPDX-License-Identifier: MIT
#include <pam/attention/gather_excite.hpp>
#include <pam/inference/load_network.hpp>
#include <pam/train/checkpoint.hpp>
#include <pam/weights/state_dict.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

namespace inference_load_network_test {

using namespace pam;
using Catch::Contains;
using test::TempDir;

template <typename Block>
UNet<Block> small_net(bool reversed, std::int64_t classes = 1) {
  torch::manual_seed(4);
  UNetOptions<Block> options(2, classes);
  options.width(4).reversed(reversed);
  UNet<Block> net(options);
  net->eval();
  return net;
}

TEST_CASE("a saved network comes back as it was, with the preparation of its images", "[inference]") {
  const TempDir folder;
  const auto x = torch::randn({1, 2, 72, 65});
  torch::NoGradGuard no_grad;
  for (const char* extension : {".safetensors", ".pt", ".pth"}) {
    CAPTURE(extension);
    const auto path = folder / (std::string("net") + extension);
    SaveNetworkOptions with;
    with.preparation.emplace();
    with.preparation->crop = {72, 64};
    with.metadata["note"] = "mine";
    auto fpa = small_net<FalsePositiveAttention>(false);
    save_network(fpa, path, with);
    auto loaded = load_network(path);
    CHECK(loaded.net.name() == "fpa");
    CHECK(torch::equal(loaded.net(x), fpa(x)));
    CHECK_FALSE(loaded.net->is_training());
    CHECK_FALSE(loaded.net.reversed());
    REQUIRE(loaded.preparation.has_value());
    CHECK(loaded.preparation->crop == PlaneSize{72, 64});
    CHECK(loaded.report.metadata.at("note") == "mine");
    CHECK(loaded.report.complete());
    const auto metadata = network_metadata(fpa, with);
    CHECK(metadata.at("pam.net") == loaded.report.metadata.at("pam.net"));
    CHECK(metadata.at("pam.input") == loaded.report.metadata.at("pam.input"));
    CHECK(metadata.count("pam.reversed") == 0);
    // By its Network too; and reversed either way, whatever the block's default.
    for (const bool reversed : {true, false}) {
      auto rfna = small_net<ReverseFalseNegativeAttention>(reversed);
      save_network(Network("rfna_table5", rfna), path);
      loaded = load_network(path);
      CHECK(loaded.net.name() == "rfna_table5");
      CHECK(loaded.net.reversed() == reversed);
      CHECK(torch::equal(loaded.net.probabilities(x), rfna->probabilities(x)));
      CHECK_FALSE(loaded.preparation.has_value());
      CHECK(load_network(path,
                         [&] {
                           LoadNetworkOptions same;
                           same.net = "rfna_table5";
                           same.reversed = reversed;
                           same.options = {{"width", 4}};
                           return same;
                         }())
                .net.reversed() == reversed);
    }
  }
}

/// The net `name` with every convolution (`prune` = false) or as the zoo has it.
Network ablation_net(const std::string& name, bool prune) {
  torch::manual_seed(5);
  NetworkSpec spec{name, 2, 1, 4};
  spec.options = {{"stages", {{"prune_convolutions", prune}}}, {"bridge", {{"prune_convolutions", prune}}}};
  auto net = build_network(spec);
  net->eval();
  return net;
}

constexpr const char* kSmallRatios[] = {"rfna_r2_full_e1", "rfna_r2_dw_e1", "rfna_r4_dw_e2", "rfna_r4_full_e1"};

TEST_CASE("weights of RFNA with ratio 2 or 4 from before prune_convolutions load with every convolution",
          "[inference]") {
  const TempDir folder;
  const auto path = folder / "old.safetensors";
  const auto x = torch::randn({1, 2, 72, 65});
  torch::NoGradGuard no_grad;
  for (const char* name : {"rfna_r2_full_e1", "rfna_r4_dw_e2", "rfna_r8_dw_e1"}) {
    CAPTURE(name);
    for (const bool prune : {true, false}) {
      auto net = ablation_net(name, prune);
      save_network(net, path);  // says what it has
      CHECK(torch::equal(load_network(path).net(x), net(x)));
      if (prune) continue;
      auto old = net.options();
      for (auto& stage : old["stages"]) stage.erase("prune_convolutions");
      old["bridge"].erase("prune_convolutions");
      save_weights(*net, path, {{"pam.net", old.dump()}, {"pam.reversed", "true"}});
      const auto loaded = load_network(path).net;
      CHECK(torch::equal(loaded(x), net(x)));
      const bool kept = loaded.options()["bridge"]["prune_convolutions"] == false;
      CHECK(kept == (std::string(name) != "rfna_r8_dw_e1"));
    }
  }
}

TEST_CASE("weights of RFNA with ratio 2 or 4 that do not say what they are load as what their names show",
          "[inference]") {
  const TempDir folder;
  const auto path = folder / "raw.safetensors";
  const auto x = torch::randn({1, 2, 72, 65});
  torch::NoGradGuard no_grad;
  for (const char* name : kSmallRatios) {
    CAPTURE(name);
    for (const bool prune : {true, false}) {
      auto net = ablation_net(name, prune);
      save_weights(*net, path, {{"pam.reversed", "true"}});
      LoadNetworkOptions how;
      how.net = name;
      const auto loaded = load_network(path, how);
      CHECK(torch::equal(loaded.net(x), net(x)));
      CHECK(loaded.net.options()["bridge"]["prune_convolutions"] == prune);
      // Neither the caller's word nor a net that is there already turns one into the other.
      how.options["stages"]["prune_convolutions"] = !prune;
      how.options["bridge"]["prune_convolutions"] = !prune;
      CHECK_THROWS_WITH(load_network(path, how), Contains("does not fit") && Contains("stage1.down"));
      auto other = ablation_net(name, !prune);
      CHECK_THROWS_WITH(load_weights(other, path), Contains("does not fit") && Contains("stage1.down"));
      CHECK_THROWS_WITH(check_same_weights(state_dict(*net.ptr()), state_dict(*other.ptr()), "the checkpoint"),
                        Contains("stage1.down") && Contains("resume with the net"));
    }
  }
}

TEST_CASE("what a file does not say is asked, and what contradicts it is refused", "[inference]") {
  const TempDir folder;
  auto rfna = small_net<ReverseFalseNegativeAttention>(true);
  const auto refusal = [](const std::filesystem::path& path, const LoadNetworkOptions& how = {}) {
    return test::message_of<Error>([&] { static_cast<void>(load_network(path, how)); });
  };
  const auto options = [](const char* net, std::optional<bool> reversed) {
    LoadNetworkOptions how;
    how.net = net;
    how.reversed = reversed;
    return how;
  };
  for (const char* extension : {".safetensors", ".pt"}) {
    CAPTURE(extension);
    // Weights alone, as Python's state_dict has them.
    const auto silent = folder / (std::string("silent") + extension);
    const auto write = [&](const std::filesystem::path& path, const Metadata& metadata) {
      if (path.extension() == ".pt") {
        write_torch_zip(path, state_dict(*rfna), metadata);
      } else {
        write_safetensors(path, state_dict(*rfna), metadata);
      }
    };
    write(silent, {});
    CHECK_THAT(refusal(silent), Contains("does not say which network") && Contains("LoadNetworkOptions::net"));
    CHECK_THAT(refusal(silent, options("rfma", true)), Contains("did you mean") && Contains("rfna"));
    CHECK_THAT(refusal(silent, options("rfna", {})), Contains("LoadNetworkOptions::reversed"));
    for (const bool reversed : {true, false}) {
      const auto net = load_network(silent, options("rfna", reversed)).net;
      CHECK(net.reversed() == reversed);
      CHECK(net.in_channels() == 2);
    }
    const auto says = folder / (std::string("says") + extension);
    save_network(rfna, says);
    CHECK_THAT(refusal(says, options("fpa", {})), Contains("weights of the network rfna, not fpa"));
    CHECK_THAT(refusal(says, options("", false)),
               Contains("pam.reversed = true") && Contains("LoadNetworkOptions::reversed is false"));
    LoadNetworkOptions wide;
    wide.options = {{"width", 8}};
    CHECK_THAT(refusal(says, wide), Contains("width = 4") && Contains("LoadNetworkOptions::options 8"));
    // Metadata as an example of older documents wrote them, by hand.
    auto metadata = read_weights(says).metadata;
    metadata["pam.reversed"] = "false";
    const auto lies = folder / (std::string("lies") + extension);
    write(lies, metadata);
    CHECK_THAT(refusal(lies), Contains("pam.net says reversed = true") && Contains("invert"));
    metadata.erase("pam.reversed");
    write(lies, metadata);
    CHECK_THAT(refusal(lies), Contains("LoadNetworkOptions::reversed"));
    CHECK_THAT(refusal(lies, options("", false)), Contains("pam.net says reversed = true"));
    CHECK(load_network(lies, options("", true)).net.reversed());
    metadata["pam.input"] = R"({"zoom": 2})";
    write(lies, metadata);
    CHECK_THAT(refusal(lies, options("", true)), Contains("\"zoom\""));
    metadata["pam.net"] = "{";
    write(lies, metadata);
    CHECK_THAT(refusal(lies), Contains("no JSON under pam.net"));
  }
}

TEST_CASE("a network that could not be loaded by name is not saved", "[inference]") {
  const TempDir folder;
  const auto path = folder / "net.pt";
  const UNet<Attended<GatherExcite>> other(UNetOptions<Attended<GatherExcite>>(1, 1).width(4));
  CHECK_THROWS_WITH(save_network(other, path), Contains("no net of this type") && Contains("save_weights"));
  const auto net = small_net<ConvBlock>(false);
  CHECK_THROWS_WITH(save_network(Network("mine", net), path), Contains("\"mine\"") && Contains("save_weights"));
  SaveNetworkOptions wrong;
  wrong.metadata["pam.reversed"] = "true";
  CHECK_THROWS_WITH(save_network(net, path, wrong), Contains("reversed = false"));
  wrong.metadata = {{"pam.net", "{}"}};
  CHECK_THROWS_WITH(save_network(net, path, wrong), Contains("SaveNetworkOptions::metadata") && Contains("pam.net"));
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace inference_load_network_test
