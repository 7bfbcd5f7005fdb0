// DocxStyles: what a Word paragraph is - heading, list item, plain - through the styles it refers to.
//
// Thread safety: const members are safe from any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <pugixml.hpp>

namespace ragtime::documents {

// Prefixes are the producer's choice, so elements are told by their names without them.
std::string_view local_name(pugi::xml_node node);
pugi::xml_node child(pugi::xml_node node, std::string_view name);
std::string_view attribute(pugi::xml_node node, std::string_view name);
// Of a switch like <w:vanish/> or <w:vanish w:val="0"/>.
bool is_on(pugi::xml_node node);

struct ParagraphStyle {
  int heading_level = 0;  // 1..6, or 0.
  int list_level = -1;    // 0 for the outermost, or -1.
  bool is_title = false;
};

class DocxStyles {
 public:
  void read(const pugi::xml_document& styles_part);

  // `properties` is a paragraph's <w:pPr>, or nothing.
  ParagraphStyle resolve(pugi::xml_node properties) const;

 private:
  struct Style {
    std::string based_on;
    int outline_level = -1;  // 0-based; 9 says body text.
    int list_level = -1;
    bool is_title = false;
  };
  static Style describe(std::string_view id, pugi::xml_node style);
  static void read_properties(pugi::xml_node properties, Style& style);

  std::map<std::string, Style, std::less<>> styles_;
};

}  // namespace ragtime::documents
