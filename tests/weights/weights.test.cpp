// SPDX-License-Identifier: MIT
#include <pam/core/version.hpp>
#include <pam/weights/detail/unwrapped_name.hpp>
#include <pam/weights/weights.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <set>
#include <sstream>

namespace weights_weights_test {
using namespace pam;
using pam::test::message_of;
using pam::test::TempDir;

/// A net with parameters, buffers, a nested child and a scalar.
struct Net : torch::nn::Module {
  explicit Net(std::int64_t width = 4, bool deep = false) {
    torch::NoGradGuard no_grad;
    register_module("stem", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, width, 3).bias(false)));
    register_module("norm", torch::nn::BatchNorm2d(width));
    if (deep) register_module("extra", torch::nn::Linear(width, width));
    register_module("head", torch::nn::Linear(width, 2));
  }
};

/// All values of the net, to see whether anything was touched.
torch::Tensor values(const torch::nn::Module& net) {
  std::vector<torch::Tensor> parts;
  for (const auto& [name, tensor] : state_dict(net)) parts.push_back(tensor.reshape({-1}).to(torch::kDouble));
  return torch::cat(parts);
}

TEST_CASE("weights saved in each format load into another net, buffers included", "[weights]") {
  const auto extension = GENERATE(std::string(".safetensors"), std::string(".pt"), std::string(".pth"));
  CAPTURE(extension);
  const TempDir folder;
  Net trained, fresh;
  for (auto& buffer : trained.buffers()) buffer.add_(3);  // running statistics: LibtorchSegmentation lost these
  save_weights(trained, folder / ("net" + extension), {{"pam.net", "{}"}});
  const auto handle = fresh.parameters()[0].data_ptr();
  const auto report = load_weights(fresh, folder / ("net" + extension));
  CHECK(torch::equal(values(fresh), values(trained)));
  CHECK(report.complete());
  CHECK(report.loaded.size() == 8);
  CHECK_FALSE(report.reversed.has_value());
  CHECK(report.metadata.at("pam.version") == PAM_VERSION);
  CHECK(report.metadata.at("pam.net") == "{}");
  CHECK(report.text() == "8 loaded, 0 missing, 0 unexpected, 0 of another shape");
  CHECK(fresh.parameters()[0].data_ptr() == handle);  // optimisers keep their tensors
  CHECK(fresh.parameters()[0].requires_grad());
  CHECK(read_weights(folder / ("net" + extension)).metadata.at("pam.version") == PAM_VERSION);
}

TEST_CASE("safetensors load whatever their header's length begins with, a pickle's 0x80 too", "[weights]") {
  const TempDir folder;
  const auto path = folder / "a.safetensors";
  Net net;
  std::set<int> first_bytes;
  for (std::size_t padding = 0; padding < 300; padding += 4) {
    save_weights(net, path, {{"padding", std::string(padding, 'x')}});
    first_bytes.insert(test::read_bytes(path).front());
    CAPTURE(padding);
    REQUIRE(load_weights(net, path).complete());
  }
  REQUIRE(first_bytes.count(0x80) == 1);
}

TEST_CASE("the content decides which format it is, not the name", "[weights]") {
  const TempDir folder;
  Net net;
  save_weights(net, folder / "a.pt", {});
  std::filesystem::rename(folder / "a.pt", folder / "a.safetensors");
  CHECK(load_weights(net, folder / "a.safetensors").complete());
}

TEST_CASE("loading keeps the module's type: halves widen, doubles narrow, integers stay integers", "[weights]") {
  const TempDir folder;
  Net doubles, net;
  doubles.to(torch::kDouble);
  save_weights(doubles, folder / "a.pt", {});
  load_weights(net, folder / "a.pt");
  CHECK(net.parameters()[0].scalar_type() == torch::kFloat32);
  CHECK(torch::equal(net.parameters()[0], doubles.parameters()[0].to(torch::kFloat32)));
  Net halves;
  halves.to(torch::kBFloat16);
  save_weights(halves, folder / "b.safetensors", {});
  load_weights(net, folder / "b.safetensors");
  CHECK(torch::equal(net.parameters()[0], halves.parameters()[0].to(torch::kFloat32)));

  auto tensors = state_dict(Net());
  for (auto& [name, tensor] : tensors) {
    if (name == "norm.num_batches_tracked") tensor = torch::tensor(0.5);
  }
  write_safetensors(folder / "c.safetensors", tensors);
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "c.safetensors"); }),
             Catch::Contains("'norm.num_batches_tracked' has shape [] Float in the file, this net wants [] Long"));
}

TEST_CASE("a checkpoint of another width or depth is refused and nothing is touched", "[weights]") {
  const TempDir folder;
  Net wide(8), deep(4, true), net;
  const auto before = values(net);
  save_weights(wide, folder / "wide.pt", {{"pam.net", "{\"width\":8}"}});
  save_weights(deep, folder / "deep.pt", {});
  save_weights(net, folder / "net.pt", {});
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "wide.pt"); }),
             Catch::Contains("wide.pt") &&
                 Catch::Contains("'stem.weight' has shape [8, 3, 3, 3] Float in the file, this "
                                 "net wants [4, 3, 3, 3]") &&
                 Catch::Contains("Build the net from the file's own options") && Catch::Contains("{\"width\":8}"));
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "deep.pt"); }),
             Catch::Contains("'extra.weight' is in the file but not in this net") && Catch::Contains("strict = false"));
  CHECK_THAT(message_of<Error>([&] { load_weights(deep, folder / "net.pt"); }),
             Catch::Contains("'extra.bias' is missing from the file"));
  CHECK(torch::equal(values(net), before));
}

TEST_CASE("strict = false loads what fits and reports the rest", "[weights]") {
  const TempDir folder;
  Net wide(8, true), net;
  save_weights(wide, folder / "a.pt", {});
  const auto before = values(net);
  const auto report = load_weights(net, folder / "a.pt", [] {
    LoadOptions options;
    options.strict = false;
    return options;
  }());
  CHECK(report.loaded == std::vector<std::string>{"norm.num_batches_tracked", "head.bias"});
  CHECK(report.mismatched.size() == 6);
  CHECK(report.mismatched[0].name == "stem.weight");
  CHECK(report.mismatched[0].file_shape == std::vector<std::int64_t>{8, 3, 3, 3});
  CHECK(report.mismatched[0].net_shape == std::vector<std::int64_t>{4, 3, 3, 3});
  REQUIRE(report.unexpected.size() == 2);
  CHECK(report.unexpected[0].name == "extra.weight");
  CHECK(report.missing.empty());
  CHECK_FALSE(torch::equal(values(net), before));
  write_safetensors(folder / "none.safetensors", {{"other", torch::ones({1})}});
  LoadOptions loose;
  loose.strict = false;
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "none.safetensors", loose); }),
             Catch::Contains("none of its tensors fits"));
}

TEST_CASE("unmatched names come with the nearest on the other side", "[weights]") {
  const TempDir folder;
  StateDict tensors;
  for (auto [name, tensor] : state_dict(Net())) {
    if (name == "stem.weight") name = "stern.weight";
    tensors.emplace_back(name, tensor);
  }
  write_safetensors(folder / "a.safetensors", tensors);
  Net net;
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "a.safetensors"); }),
             Catch::Contains("'stem.weight' is missing from the file; nearest that the file has: 'stern.weight'") &&
                 Catch::Contains(
                     "'stern.weight' is in the file but not in this net; nearest that the net has: 'stem.weight'"));
}

TEST_CASE("a key map renames, leaves out, and must keep names apart", "[weights]") {
  const TempDir folder;
  Net trained, net;
  StateDict tensors{{"step", torch::zeros({})}};
  for (const auto& [name, tensor] : state_dict(trained)) tensors.emplace_back("encoder." + name, tensor);
  write_safetensors(folder / "a.safetensors", tensors);
  LoadOptions options;
  options.key_map = [](const std::string& name) { return name == "step" ? "" : name.substr(8); };
  CHECK(load_weights(net, folder / "a.safetensors", options).complete());
  CHECK(torch::equal(values(net), values(trained)));
  options.key_map = [](const std::string&) { return "same"; };
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "a.safetensors", options); }),
             Catch::Contains("'step' and 'encoder.stem.weight' both become 'same'"));
}

TEST_CASE("module. and _orig_mod. are stripped unless the net itself has them", "[weights]") {
  const TempDir folder;
  Net trained;
  for (const std::string& prefix : {"module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."}) {
    CAPTURE(prefix);
    StateDict tensors;
    for (const auto& [name, tensor] : state_dict(trained)) tensors.emplace_back(prefix + name, tensor);
    write_torch_zip(folder / "a.pt", tensors);
    Net net;
    CHECK(load_weights(net, folder / "a.pt").complete());
    CHECK(torch::equal(values(net), values(trained)));
  }
  CHECK(pam::detail::unwrapped_name("stem._orig_mod.weight") == "stem.weight");
  CHECK(pam::detail::unwrapped_name("stem.module.weight") == "stem.module.weight");
  CHECK(pam::detail::unwrapped_name("my_orig_mod.weight") == "my_orig_mod.weight");
  CHECK(pam::detail::unwrapped_name("submodule.weight") == "submodule.weight");

  torch::nn::Module wrapper;
  wrapper.register_module("module", std::make_shared<Net>());
  save_weights(wrapper, folder / "b.pt", {});
  CHECK(load_weights(wrapper, folder / "b.pt").complete());
  write_torch_zip(folder / "c.pt", {{"module.w", torch::ones({1})}, {"w", torch::ones({1})}});
  Net net;
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "c.pt"); }), Catch::Contains("both become 'w'"));
}

/// The tensors of `net` behind `prefix`, and `more`.
StateDict prefixed(const torch::nn::Module& net, const std::string& prefix, StateDict more = {}) {
  for (const auto& [name, tensor] : state_dict(net)) more.emplace_back(prefix + name, tensor);
  return more;
}

TEST_CASE("a prefix that all names share is taken off where the rest fits, and reported", "[weights]") {
  const TempDir folder;
  Net trained;
  for (const auto& [prefix, reported] :
       std::vector<std::pair<std::string, std::string>>{{"model.", "model."},
                                                        {"net.", "net."},
                                                        {"_forward_module.", "_forward_module."},
                                                        {"model._orig_mod.", "model."},
                                                        {"_forward_module.model.", "_forward_module.model."},
                                                        {"model.module.", "model.module."},
                                                        {"segmenter.backbone.v2.", "segmenter.backbone.v2."},
                                                        {"module.model.", "model."}}) {
    CAPTURE(prefix);
    write_torch_zip(folder / "a.pt", prefixed(trained, prefix));
    Net net;
    const auto report = load_weights(net, folder / "a.pt");
    CHECK(report.complete());
    CHECK(report.prefix == reported);
    CHECK_THAT(report.text(), Catch::Contains("'" + reported + "' was taken off the front of all names"));
    CHECK(torch::equal(values(net), values(trained)));
    // What is asked for is taken literally, or without the wrappers' names.
    LoadOptions options;
    for (const auto& asked : {prefix, reported, reported.substr(0, reported.size() - 1)}) {
      CAPTURE(asked);
      Net other;
      options.key_prefix = asked;
      CHECK(load_weights(other, folder / "a.pt", options).complete());
      CHECK(torch::equal(values(other), values(trained)));
    }
  }
  // Names of the module's own stay.
  torch::nn::Module wrapper;
  wrapper.register_module("model", std::make_shared<Net>());
  save_weights(wrapper, folder / "b.pt", {});
  const auto report = load_weights(wrapper, folder / "b.pt");
  CHECK(report.complete());
  CHECK(report.prefix.empty());
  CHECK(report.notes().empty());
  // One wrong shape: the report is about that, under the module's names.
  Net wide(8);
  write_torch_zip(folder / "c.pt", prefixed(wide, "model."));
  Net net;
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "c.pt"); }),
             Catch::Contains("'stem.weight' has shape [8, 3, 3, 3]") && Catch::Contains("'model.' was taken off"));
  // Nothing that fits: the names as they are.
  write_torch_zip(folder / "d.pt", {{"a.b.x", torch::ones({1})}, {"a.b.y", torch::ones({1})}});
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "d.pt"); }), Catch::Contains("'a.b.x' is in the file"));
}

TEST_CASE("of several prefixes the caller chooses, and the message names those that fit", "[weights]") {
  const TempDir folder;
  Net plain, averaged, net;
  for (auto& parameter : averaged.parameters()) parameter.detach().add_(1);
  write_torch_zip(
      folder / "a.pt",
      prefixed(plain, "model.", prefixed(averaged, "ema_model.", {{"criterion.weight", torch::ones({2})}})));
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "a.pt"); }),
             Catch::Contains("behind the prefix 'ema_model.', 'model.'") && Catch::Contains("LoadOptions::key_prefix"));
  LoadOptions options;
  options.key_prefix = "ema_model";
  const auto report = load_weights(net, folder / "a.pt", options);
  CHECK(report.complete());
  CHECK(report.left_out.size() == 9);
  CHECK(torch::equal(values(net), values(averaged)));
  options.key_prefix = "mod";  // whole parts of names only
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "a.pt", options); }),
             Catch::Contains("no name that begins with 'mod.'"));
  options.key_prefix = "model.";
  options.key_map = [](const std::string& name) { return name.substr(0, 4) == "head" ? "" : name; };
  options.strict = false;
  CHECK(load_weights(net, folder / "a.pt", options).missing.size() == 2);
}

TEST_CASE("counters of SWA, thop and batch norm are left out where the net has none, and reported", "[weights]") {
  const TempDir folder;
  torch::nn::Sequential trained(torch::nn::Conv2d(1, 2, 3), torch::nn::Conv2d(2, 1, 1));
  torch::nn::Sequential net(torch::nn::Conv2d(1, 2, 3), torch::nn::Conv2d(2, 1, 1));
  for (const std::string& prefix : {"", "module.", "model."}) {
    CAPTURE(prefix);
    StateDict tensors{{"n_averaged", torch::tensor(5)}};
    for (const auto& [name, tensor] : state_dict(*trained)) tensors.emplace_back(prefix + name, tensor);
    tensors.emplace_back(prefix + "0.total_ops", torch::tensor(1.5, torch::kDouble));
    tensors.emplace_back(prefix + "total_params", torch::tensor(10));
    tensors.emplace_back(prefix + "1.num_batches_tracked", torch::tensor(7));
    write_torch_zip(folder / "a.pt", tensors);
    const auto report = load_weights(*net, folder / "a.pt");
    CHECK(report.complete());
    CHECK(report.left_out.size() == 4);
    CHECK_THAT(report.text(),
               Catch::Contains("left out") && Catch::Contains("'n_averaged'") && Catch::Contains("0.total_ops'"));
    CHECK(torch::equal(values(*net), values(*trained)));
  }
  // A net that has such a buffer gets it.
  Net batch_norm, counted;
  batch_norm.named_buffers()["norm.num_batches_tracked"].fill_(9);
  write_torch_zip(folder / "b.pt", prefixed(batch_norm, "model."));
  CHECK(load_weights(counted, folder / "b.pt").left_out.empty());
  CHECK(counted.named_buffers()["norm.num_batches_tracked"].item<std::int64_t>() == 9);
}

TEST_CASE("a section is refused where files have none, and the one that was taken is reported", "[weights]") {
  const TempDir folder;
  Net net;
  save_weights(net, folder / "a.safetensors");
  LoadOptions options;
  options.section = "ema";
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "a.safetensors", options); }),
             Catch::Contains("no sections such as 'ema'") && Catch::Contains("LoadOptions::section"));
  WeightsFile file = read_weights(folder / "a.safetensors");
  file.section = "model";
  file.other_sections = {"model_ema"};
  file.skipped = {"epoch"};
  CHECK_THAT(load_state_dict(net, file, "a.pt").text(),
             Catch::Contains("those of the section 'model'; the file also has weights under 'model_ema'") &&
                 Catch::Contains("left out, as they are no weights of this net: 'epoch'"));
}

TEST_CASE("checkpoints as Python's training frameworks write them load as they are", "[weights]") {
  if (!test::python_has("torch")) PAM_SKIP("Debian's python3-torch is absent");
  const TempDir folder;
  test::run_python(R"PY(
import datetime, pathlib, sys, torch
folder = sys.argv[1]

class Net(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3, bias=False)
        self.norm = torch.nn.BatchNorm2d(4)
        self.head = torch.nn.Linear(4, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(value)

class Lightning(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        setattr(self, name, Net(2))

def optimizer_of(net):
    optimizer = torch.optim.AdamW(net.parameters())
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    return optimizer.state_dict()

extras = {"epoch": 3, "global_step": 17, "best": 0.5, "dir": pathlib.Path("runs"), "saved": datetime.datetime.now(),
          "took": datetime.timedelta(minutes=3), "pytorch-lightning_version": "2.1", "callbacks": {}, "loops": {"fit": {}},
          "rng": torch.get_rng_state(), "rng_states": {"torch": torch.get_rng_state()}, "flags": (True, None)}
for protocol in (2, 3, 4, 5):
    for name in ("model", "net", "segmenter"):
        torch.save({**extras, "state_dict": Lightning(name).state_dict(), "optimizer_states": [optimizer_of(Net(1))]},
                   f"{folder}/lightning_{name}_{protocol}.pt", pickle_protocol=protocol)
    for section in ("net", "params", "weights", "ema"):
        torch.save({**extras, section: Net(2).state_dict(), "optimizer": optimizer_of(Net(1))},
                   f"{folder}/section_{section}_{protocol}.pt", pickle_protocol=protocol)
torch.save(torch.optim.swa_utils.AveragedModel(Net(2)).state_dict(), f"{folder}/swa.pt")
torch.save({"model": Net(2).state_dict(), "model_ema": Net(3).state_dict(), **extras}, f"{folder}/both.pt")
torch.save({"state_dict": Net(2).state_dict(), "ema": {"decay": 0.99, "shadow": Net(3).state_dict()}}, f"{folder}/nested.pt")
)PY",
                   {folder.path().string()});
  const auto loaded = [&](const std::string& name, double value, const LoadOptions& options = {}) {
    CAPTURE(name);
    Net fresh;
    const auto report = load_weights(fresh, folder / (name + ".pt"), options);
    CHECK(report.complete());
    CHECK(fresh.named_parameters()["head.bias"].eq(value).all().item<bool>());
    return report;
  };
  for (const std::string protocol : {"2", "3", "4", "5"}) {
    for (const std::string name : {"model", "net", "segmenter"}) {
      CHECK(loaded("lightning_" + name + "_" + protocol, 2).prefix == name + ".");
    }
    for (const std::string section : {"net", "params", "weights", "ema"}) {
      CHECK(loaded("section_" + section + "_" + protocol, 2).section == section);
    }
  }
  CHECK(loaded("swa", 2).left_out == std::vector<std::string>{"n_averaged"});
  CHECK(loaded("both", 2).other_sections == std::vector<std::string>{"model_ema"});
  CHECK(loaded("nested", 2).other_sections == std::vector<std::string>{"ema.shadow"});
  LoadOptions options;
  options.section = "model_ema";
  CHECK(loaded("both", 3, options).other_sections.empty());
  options.section = "ema";
  CHECK(loaded("nested", 3, options).section == "ema.shadow");
}

/// A net that says whether it learns reversed labels, in each of the ways that there are.
struct DerivedNet : Net, Reversible {
  explicit DerivedNet(bool reversed) : reversed_(reversed) {}
  bool reversed() const override { return reversed_; }
  bool reversed_;
};
struct AnsweringNet : Net {
  explicit AnsweringNet(bool reversed) : reversed_(reversed) {}
  bool reversed() const { return reversed_; }
  bool reversed_;
};
struct OptionNet : Net {
  struct Options {
    bool reversed_;
    bool reversed() const { return reversed_; }
  };
  explicit OptionNet(bool reversed) : options{reversed} {}
  Options options;
};

TEMPLATE_TEST_CASE("weights of reversed labels go into nets that learn reversed labels, and into no others",
                   "[weights]", DerivedNet, AnsweringNet, OptionNet) {
  const TempDir folder;
  TestType reversed(true), plain(false);
  Net silent;  // says nothing of itself
  for (const char* extension : {".safetensors", ".pt", ".pth"}) {
    CAPTURE(extension);
    const auto file = [&](const char* name) { return folder / (std::string(name) + extension); };
    const auto refusal = [&](auto& net, const char* name, const LoadOptions& options = {}) {
      const auto before = values(net).clone();
      const auto text = message_of<Error>([&] { load_weights(net, file(name), options); });
      CHECK(torch::equal(values(net), before));
      return text;
    };
    save_weights(reversed, file("reversed"));  // the flag is written by itself
    save_weights(plain, file("plain"));
    save_weights(silent, file("silent"));
    CHECK(read_weights(file("reversed")).metadata.at("pam.reversed") == "true");
    CHECK(read_weights(file("plain")).metadata.at("pam.reversed") == "false");
    CHECK(read_weights(file("silent")).metadata.count("pam.reversed") == 0);
    CHECK(load_weights(reversed, file("reversed")).reversed == true);
    CHECK(load_weights(plain, file("plain")).reversed == false);
    CHECK_THAT(refusal(plain, "reversed"), Catch::Contains("this net has reversed = false") &&
                                               Catch::Contains("build the net with reversed(true)"));
    CHECK_THAT(refusal(reversed, "plain"), Catch::Contains("this net has reversed = true") &&
                                               Catch::Contains("build the net with reversed(false)"));
    CHECK_THAT(refusal(reversed, "silent"),
               Catch::Contains("does not say whether") && Catch::Contains("LoadOptions::reversed"));
    CHECK_FALSE(load_weights(plain, file("silent")).reversed.has_value());
    LoadOptions yes, no;
    yes.reversed = true;
    no.reversed = false;
    CHECK(load_weights(reversed, file("silent"), yes).reversed == true);
    CHECK(load_weights(plain, file("silent"), no).reversed == false);
    CHECK_THAT(refusal(reversed, "silent", no), Catch::Contains("LoadOptions::reversed says"));
    CHECK_THAT(refusal(plain, "silent", yes), Catch::Contains("LoadOptions::reversed says"));
    CHECK_THAT(refusal(reversed, "reversed", no),
               Catch::Contains("pam.reversed = true") && Catch::Contains("LoadOptions::reversed is false"));
    // A module that says nothing takes both; the file's answer is passed on.
    CHECK(load_weights(silent, file("reversed")).reversed == true);
    CHECK_FALSE(load_weights(silent, file("silent")).reversed.has_value());
    // Metadata may repeat what the net says, not contradict it.
    save_weights(reversed, file("again"), {{"pam.reversed", "true"}});
    for (const char* wrong : {"false", "yes"}) {
      CHECK_THAT(message_of<Error>([&] {
                   save_weights(reversed, file("wrong"), {{"pam.reversed", wrong}});
                 }),
                 Catch::Contains("the net has reversed = true") && Catch::Contains("leave pam.reversed out"));
    }
    CHECK_THAT(message_of<Error>([&] {
                 save_weights(plain, file("wrong"), {{"pam.reversed", "true"}});
               }),
               Catch::Contains("the net has reversed = false"));
    CHECK_FALSE(std::filesystem::exists(file("wrong")));
    save_weights(silent, file("nonsense"), {{"pam.reversed", "yes"}});
    CHECK_THAT(refusal(silent, "nonsense"), Catch::Contains("'yes'") && Catch::Contains("'true' or 'false'"));
  }
}

TEST_CASE("files of other kinds are refused with the remedy", "[weights]") {
  const TempDir folder;
  Net net;
  const auto refused = [&](const std::string& name, const std::string& content) {
    test::write_bytes(folder / name, test::to_bytes(content));
    return message_of<Error>([&] { load_weights(net, folder / name); });
  };
  CHECK_THAT(refused("a.pt", "version https://git-lfs.github.com/spec/v1\n"), Catch::Contains("git lfs pull"));
  CHECK_THAT(refused("a.pt", "\x89HDF\r\n"),
             Catch::Contains("neither a safetensors file nor") && Catch::Contains("export_weights.py"));
  CHECK_THAT(refused("a.pt", ""), Catch::Contains("neither"));
  CHECK_THAT(refused("a.safetensors", ""), Catch::Contains("too few"));
  const auto data = std::filesystem::path(PAM_SOURCE_DIR) / "tests/weights/data";
  CHECK_THAT(message_of<Error>([&] { load_weights(net, data / "torch-1.13/legacy.pt"); }),
             Catch::Contains("before PyTorch 1.6") && Catch::Contains("export_weights.py"));
  CHECK_THAT(message_of<Error>([&] { load_weights(net, folder / "none.pt"); }), Catch::Contains("No such file"));
  CHECK_THAT(message_of<Error>([&] { save_weights(net, folder / "net.bin", {}); }),
             Catch::Contains("net.bin") && Catch::Contains("'.bin'") && Catch::Contains(".safetensors, .pt or .pth"));
}

TEST_CASE("C++'s own torch::save is refused as the TorchScript archive that it is", "[weights]") {
  const TempDir folder;
  torch::nn::Linear layer(2, 2);
  torch::save(layer, (folder / "a.pt").string());
  CHECK_THAT(message_of<Error>([&] { load_weights(*layer, folder / "a.pt"); }), Catch::Contains("TorchScript"));
}

TEST_CASE("export_weights.py takes a prefix off, and does not call a file damaged that torch opens with code",
          "[weights]") {
  if (!test::python_has("torch")) PAM_SKIP("Debian's python3-torch is absent");
  const TempDir folder;
  const auto said =
      test::run_python(R"PY(
import contextlib, datetime, io, sys, torch
folder, tool = sys.argv[1], sys.argv[2]
sys.path.insert(0, tool)
import export_weights
weights = {"model.weight": torch.ones(2, 3), "model.bias": torch.zeros(2)}
torch.save(weights, folder + "/lightning.pt")
torch.save({"state_dict": weights, "date": datetime.timedelta(1)}, folder + "/protocol4.pt", pickle_protocol=4)
open(folder + "/damaged.pt", "wb").write(open(folder + "/lightning.pt", "rb").read()[:300])

def run(*words):
    sys.argv[1:] = words
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = export_weights.main()
    print(code, said.getvalue())

run(folder + "/lightning.pt", folder + "/plain.safetensors", "--key-prefix", "model.")
run(folder + "/lightning.pt", folder + "/none.safetensors", "--key-prefix", "net.")
run(folder + "/protocol4.pt", folder + "/none.safetensors")
run(folder + "/damaged.pt", folder + "/none.safetensors")
)PY",
                       {folder.path().string(), (std::filesystem::path(PAM_SOURCE_DIR) / "python").string()});
  INFO(said);
  torch::nn::Linear net(3, 2);
  CHECK(load_weights(*net, folder / "plain.safetensors").complete());
  CHECK(net->weight.eq(1).all().item<bool>());
  CHECK_THAT(said, Catch::Contains("no name begins with 'net.'") && Catch::Contains("protocol4.pt: torch ") &&
                       Catch::Contains("opens it only by running code") && Catch::Contains("damaged.pt: is damaged"));
  CHECK_FALSE(std::filesystem::exists(folder / "none.safetensors"));
}

TEST_CASE("a net goes to Python and back with equal outputs, in both formats", "[weights]") {
  if (!test::python_has("torch")) PAM_SKIP("Debian's python3-torch is absent");
  const TempDir folder;
  torch::manual_seed(3);
  torch::nn::Sequential net(torch::nn::Conv2d(3, 4, 3), torch::nn::BatchNorm2d(4), torch::nn::ReLU(),
                            torch::nn::Conv2d(4, 1, 1));
  const auto input = torch::randn({2, 3, 8, 8});
  net->forward(input);  // moves the running statistics off their initial values
  net->eval();
  save_weights(*net, folder / "cpp.pt", {});
  save_weights(*net, folder / "cpp.safetensors", {});
  write_torch_zip(folder / "input.pt", {{"input", input}});
  test::run_python(R"PY(
import sys, torch
folder, tool = sys.argv[1], sys.argv[2]
sys.path.insert(0, tool)
import export_weights
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 1))
net.load_state_dict(torch.load(folder + "/cpp.pt", weights_only=True))
net.eval()
x = torch.load(folder + "/input.pt", weights_only=True)["input"]
with torch.no_grad():
    torch.save({"output": net(x)}, folder + "/output.pt")
    for p in net.parameters():
        p.mul_(0.5)
    torch.save({"output": net(x)}, folder + "/output_half.pt")
torch.save(torch.nn.DataParallel(net).state_dict(), folder + "/python.pt")
torch.save(net, folder + "/module.pth")
sys.argv[1:] = [folder + "/module.pth", folder + "/module.safetensors", "--trust", "--reversed", "false"]
assert export_weights.main() == 0
sys.argv[1:] = [folder + "/module.pth", folder + "/module.pt", "--trust"]
assert export_weights.main() == 0
sys.argv[1:] = [folder + "/module.pth", folder + "/refused.pt"]
assert export_weights.main() == 2
)PY",
                   {folder.path().string(), (std::filesystem::path(PAM_SOURCE_DIR) / "python").string()});
  const auto output = [&](const char* name) { return find_tensor(read_torch_zip(folder / name).tensors, "output"); };
  torch::NoGradGuard no_grad;
  // Same library, same weights: 1e-6 is the issue's bound, an ulp or two of values around 1.
  CHECK((net->forward(input) - output("output.pt")).abs().max().item<double>() <= 1e-6);
  for (const auto* name : {"python.pt", "module.safetensors", "module.pt"}) {
    INFO(name);
    load_weights(*net, folder / "cpp.safetensors");
    CHECK(load_weights(*net, folder / name).complete());
    CHECK((net->forward(input) - output("output_half.pt")).abs().max().item<double>() <= 1e-6);
  }
  CHECK(load_weights(*net, folder / "module.safetensors").reversed == false);
  CHECK_FALSE(std::filesystem::exists(folder / "refused.pt"));
  CHECK_THAT(message_of<Error>([&] { load_weights(*net, folder / "module.pth"); }),
             Catch::Contains("torch.nn.modules.container.Sequential") && Catch::Contains("export_weights.py"));
}
}  // namespace weights_weights_test
