// SPDX-License-Identifier: MIT
#include "cli/program.hpp"

#include "cli/quiet_decoders.hpp"

#include <pam/core/allocation.hpp>
#include <pam/core/error.hpp>
#include <pam/core/nearest.hpp>
#include <pam/core/version.hpp>
#include <pam/train/distributed/process_environment.hpp>

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <regex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace pam::apps {
namespace {

/// What the library calls by its C++ field, and the flag that sets it.
constexpr std::array<std::pair<const char*, const char*>, 31> kFlags{
    {{"pretrained: ", "--weights: "},
     {"LoadNetworkOptions::net", "--net"},
     {"LoadNetworkOptions::reversed", "--reversed"},
     {"LoadOptions::reversed", "--reversed"},
     {"LoadOptions::section", "--section"},
     {"LoadOptions::key_prefix", "--key-prefix"},
     {" In C++, LoadOptions::key_map renames, and strict = false loads what fits.", ""},
     {"set reversed(false) or classes(1)", "give --set net_options.reversed=false, or one class (--label-values)"},
     {"CaseFiles::images", "or --modalities"},
     {"FolderOptions::images", "--images"},
     {"FolderOptions::labels", "--labels"},
     {"FolderOptions::modalities", "--modalities"},
     {"FolderOptions::label_name", "--label-name"},
     {"BratsOptions::modalities", "--modalities"},
     {"CaseOptions::channels", "--channels"},
     {"ScoreOptions::class_index", "--class"},
     {"CaseOptions::resample", "--resample"},
     {"CaseOptions::ignore_affine", "--ignore-affine"},
     {"CaseOptions::zero_non_finite", "--zero-non-finite"},
     {"CaseOptions::normalise", "--normalise"},
     {"CaseOptions::orient", "--orient"},
     {"CasePart::Whole", "--split cases"},
     {"SliceOptions::slices", "--slices all"},
     {"PredictorOptions::window", "--window"},
     {"PredictorOptions::overlap", "--overlap"},
     {"PredictorOptions::batch", "--batch"},
     {"PredictorOptions::threshold", "--threshold"},
     {"FitOptions::resume", "--resume"},
     {"FitOptions::allow_changes", "--allow-changes"},
     {"FitOptions::clip_norm", "--clip"},
     {"OptimizerOptions::learning_rate", "--lr"}}};

int complain(const std::string& sentence) {
  std::cout.flush();
  std::cerr << fresh_line() << "error: " << with_flags(sentence) << "\n";
  return kBadInput;
}

/// Every option name of `app`, as users type it.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// CLI11's message, and for an unknown option the nearest known one.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    for (const auto& extra : app.remaining()) {
      if (extra.rfind("--", 0) != 0) continue;
      const auto nearest = nearest_names(extra.substr(0, extra.find('=')), option_names(app), 1);
      if (!nearest.empty()) text += fmt::format("; did you mean {}?", nearest.front());
      break;
    }
  }
  return text + "; see " + app.get_name() + " --help";
}

}  // namespace

const char* fresh_line() {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  return terminal ? "\r\033[K" : "";
}

std::string with_flags(std::string sentence) {
  for (const auto& [field, flag] : kFlags) {
    const std::string name = field;
    for (auto at = sentence.find(name); at != std::string::npos; at = sentence.find(name, at)) {
      sentence.replace(at, name.size(), flag);
    }
  }
  static const std::regex labels("CaseOptions::labels = LabelMap::parse\\(\"([^\"]*)\"\\)"),
      threshold("CaseOptions::labels = LabelMap::threshold\\(([^)]*)\\)"),
      channel("CaseOptions::mask_channel = MaskChannel::([A-Z])"), any_channel("CaseOptions::mask_channel");
  sentence = std::regex_replace(sentence, labels, "--label-values $1");
  sentence = std::regex_replace(sentence, threshold, "--label-threshold $1");
  for (std::smatch match; std::regex_search(sentence, match, channel);) {
    const auto initial = static_cast<char>(std::tolower(static_cast<unsigned char>(match[1].str().front())));
    sentence = match.prefix().str() + "--mask-channel " + initial + match.suffix().str();
  }
  return std::regex_replace(sentence, any_channel, "--mask-channel");
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.set_version_flag("--version", app.get_name() + " of pam " PAM_VERSION, "print the version and exit");
  return guarded([&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
      return complain(explain(app, error));
    }
    return body();
  });
}

int guarded(const std::function<int()>& body) {
  silence_decoders();
  try {
    return body();
  } catch (const Interrupted& error) {
    std::cout.flush();
    std::cerr << fresh_line() << error.what() << "\n";
    return kInterrupted;
  } catch (const c10::Error& error) {
    return complain(error.what_without_backtrace());
  } catch (const std::filesystem::filesystem_error& error) {
    return complain(fmt::format("{}: {}; check that the path exists and may be read and written",
                                error.path1().string(), error.code().message()));
  } catch (const std::bad_alloc&) {
    return complain("not enough memory; use a smaller --batch or --width");
  } catch (const std::exception& error) {
    return complain(error.what());
  }
}

void tune_process(std::int64_t threads) {
  check(threads >= 0 && threads <= 4096, "--threads must be between 0 (one per core) and 4096, got {}", threads);
  const auto cores = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  const auto own_cores = std::max<std::int64_t>(1, cores / process_environment().local_world_size);
  at::set_num_threads(static_cast<int>(threads > 0 ? threads : own_cores));
  keep_freed_memory();
}

}  // namespace pam::apps
