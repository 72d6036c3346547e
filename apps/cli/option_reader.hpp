// SPDX-License-Identifier: MIT
/// `OptionReader`: a program's options from defaults, `--config FILE`, `--set KEY=VALUE` and its own flags, in this
/// order; later ones override earlier ones. All of them are fields of one options struct (core/options.hpp), so that
/// `--print-config` prints every option, and `--config` with that output repeats the run.
#pragma once

#include <pam/core/options_json.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pam::apps {

/// The options of the run in folder `out`, from its config.json; null where there is no run.
nlohmann::json options_of_run(const std::string& out);
/// out/config.json
std::filesystem::path config_path(const std::filesystem::path& out);

/// {"a": {"b": value}} from "a.b".
nlohmann::json nested_option(const std::string& key, nlohmann::json value);
/// KEY and VALUE of `--set KEY=VALUE`; throws `Error` where there is no "=".
std::pair<std::string, std::string> split_assignment(const std::string& text);
/// Options from one place: a file, or a flag.
struct Given {
  std::string where;
  nlohmann::json options;
  bool words = false;  ///< the values are words of the command line, whose type is that of the option
};
/// The values of words of the command line: text where the option in `before` is text ("--set label_values=1"), else
/// JSON; a word that is not JSON, such as dice, is text.
nlohmann::json typed_words(const nlohmann::json& words, const nlohmann::json& before);
/// `help` and " (default: 20)" with the value of `key` in `defaults`; `help` alone where the option is not given or
/// empty, or where the text speaks of the default itself.
std::string help_with_default(const std::string& help, const nlohmann::json& defaults, const std::string& key);
/// The JSON of `--config FILE`, comments allowed. Throws `Error` naming the file.
nlohmann::json load_options_file(const std::string& path);

template <typename T>
struct IsList : std::false_type {};
template <typename T>
struct IsList<std::vector<T>> : std::true_type {};

class OptionReader {
 public:
  /// Adds `--config`, `--set` and `--print-config` to `app`, which must live as long as the reader. `defaults`: the
  /// options as JSON, for the help texts.
  OptionReader(CLI::App& app, nlohmann::json defaults);

  /// A flag with a value for the field `key`, nested fields as "optimizer.learning_rate".
  template <typename T>
  CLI::Option* add(const std::string& flag, const std::string& key, const std::string& help) {
    auto* option = app_->add_option_function<T>(
        flag, [this, key, flag](const T& value) { take(key, value, flag); }, help_with_default(help, defaults_, key));
    // If a flag is given twice, the later one counts, as in most programs. Lists take all words that follow.
    if constexpr (!IsList<T>::value) option->take_last();
    return option;
  }
  /// A flag without a value that sets `key` to true.
  CLI::Option* add_switch(const std::string& flag, const std::string& key, const std::string& help);

  /// Sets the fields of `options` from everything that was given. With `--resume` it starts from the options of the run
  /// in `out`, so that `--out DIR --resume` is enough. Throws `Error` on an unknown key, naming the nearest.
  template <typename Options>
  void read(Options& options) const {
    auto wanted = options;
    apply(wanted);
    if (const auto before = options_of_run(wanted.resume ? wanted.out : std::string()); !before.is_null()) {
      options_from_json(before, options, config_path(wanted.out).string());
      options.resume = options.overwrite = options.allow_changes = false;
    }
    apply(options);
  }

  /// True if `--print-config` was given: `options` have then been printed, and the program should exit.
  template <typename Options>
  [[nodiscard]] bool printed(const Options& options) const {
    if (print_) std::cout << options_to_json(options).dump(2) << "\n";
    return print_;
  }

 private:
  template <typename Options>
  void apply(Options& options) const {
    if (!config_.empty()) options_from_json(load_options_file(config_), options, config_);
    for (const auto& [where, value, words] : given_) {
      options_from_json(words ? typed_words(value, options_to_json(options)) : value, options, where);
    }
  }
  void take(const std::string& key, nlohmann::json value, const std::string& where, bool words = false);

  CLI::App* app_;
  nlohmann::json defaults_;
  std::string config_;
  bool print_ = false;
  std::vector<Given> given_;  ///< in the order of the command line
};

}  // namespace pam::apps
