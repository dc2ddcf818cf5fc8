package judge

import (
	"regexp"
	"strings"
)

// forbidden is that word with what stands around it, so that a name which has it is told from it; in "-n forbidden" it is one.
var forbidden = regexp.MustCompile(`(?i)(?:-n |namespace )?[^\s:;,()\[\]]*forbidden[^\s:;,()\[\]]*`)

// Plain is what others said, in the words of a status: that something is forbidden sounds like an accusation, and is a refusal. All words
// of others pass it, whoever they come from: the API server, a kubelet, a registry, a destination.
func Plain(text string) string {
	if !strings.Contains(strings.ToLower(text), "forbidden") { // as nearly all: the pattern took half of the time of a judgement
		return text
	}
	return forbidden.ReplaceAllStringFunc(text, func(word string) string {
		const length = len("forbidden")
		if len(word) >= length && strings.EqualFold(word[:length], "forbidden") && strings.Trim(word[length:], ".!\"'") == "" {
			return "refused" + word[length:]
		}
		return word
	})
}
