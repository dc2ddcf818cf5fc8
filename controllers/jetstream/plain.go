package jetstream

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts that a server may have had a part in. They end in conditions, events and logs.
const (
	maxError = 1024
	maxLine  = 512
	maxName  = 128
	maxLines = 16
)

// plain makes a text one line of at most so many bytes, without control characters and what is no UTF-8.
func plain(text string, most int) string {
	text = strings.ToValidUTF8(text[:min(len(text), 2*most)], "?")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) <= most {
		return text
	}
	const mark = "..."
	cut := most - len(mark)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}

// plainLines are the first of several texts, each made plain.
func plainLines(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(lines), maxLines))
	for _, line := range lines[:min(len(lines), maxLines)] {
		out = append(out, plain(line, maxLine))
	}
	return out
}

// limit makes what stands for "no limit" -1.
func limit(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}
