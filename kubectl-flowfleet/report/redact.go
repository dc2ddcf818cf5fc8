// Package report puts what is known of a fleet into one archive, for those who are asked for help. Nothing secret is to be in it:
// Secrets are not read, and what may hold one is taken out of everything else.
package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/flowfleet/flowfleet/controllers/redact"
)

// Redacted stands where something was taken out.
const Redacted = redact.Redacted

var (
	// secretKeys are names of fields, variables and parameters whose values are secrets.
	secretKeys = regexp.MustCompile(`(?i)` + redact.Names)
	// keyed is such a name with its value in a line of text: "token": "...", also within JSON that is quoted itself; an unquoted value ends
	// with the line.
	keyed = regexp.MustCompile(`(?i)((?:\\?")?[a-z0-9_.-]*(?:` + redact.Names + `)[a-z0-9_.-]*(?:\\?")?\s*:\s*)` +
		`("(?:\\.|[^"\\])*"|\\"(?:[^"\\]|\\[^"])*\\"|[^\n"\\]+)`)
	// option is a flag of a command line with its value behind it.
	option = regexp.MustCompile(`(?i)(--?[a-z0-9-]*(?:` + redact.Names + `)[a-z0-9-]*\s+)("[^"]*"|\S+)`)
	// login is a user with a password behind the flag that curl, among others, has for it.
	login = regexp.MustCompile(`(^|\s)(-u|--user|--userpwd|--proxy-user)(\s+|=)('[^']*:[^']*'|"[^"]*:[^"]*"|[^\s:"']+:\S*)`)
	// lastLogin is that flag of a list.
	lastLogin = regexp.MustCompile(`^(?:-u|--user|--userpwd|--proxy-user)$`)
	// lastOption is such a flag whose value is the next argument of a list.
	lastOption = regexp.MustCompile(`(?i)^--?[a-z0-9-]*(?:` + redact.Names + `)[a-z0-9-]*$`)
)

// Text takes what may be a secret out of a text, such as a log. Rather too much than too little.
func Text(s string) string {
	s = redact.Plain(s)
	s = keyed.ReplaceAllString(s, "${1}"+Redacted)
	s = login.ReplaceAllString(s, "${1}${2}${3}"+Redacted)
	return option.ReplaceAllString(s, "${1}"+Redacted)
}

// references are fields that name a Secret, or a key in one: names are no secrets, and who helps needs them.
var references = []string{"secretName", "secret", "secretRef", "secretKeyRef", "credentialsSecret", "tlsSecret", "imagePullSecrets", "automountServiceAccountToken",
	"serviceAccountToken", "defaultTokenMode"}

// Object takes what may be a secret out of an object of the API, which it changes: values of variables, values under names that say so,
// and what Text takes out of texts. It drops what repeats the object: managed fields, and what kubectl applied last.
func Object(o map[string]any) map[string]any {
	if metadata, ok := o["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	blanked(o)
	return o
}

// known are variables of our own, whose values are no secrets.
var known = []string{"GOMEMLIMIT", "GOMAXPROCS", "NODE_NAME", "POD_NAME", "POD_NAMESPACE"}

func blanked(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["name"].(string); ok && v["value"] != nil && !slices.Contains(known, name) {
			v["value"] = Redacted // of a variable, or of a header
		}
		for key, value := range v {
			if secretKeys.MatchString(key) && !isReference(key) {
				value = blank(value)
			}
			v[key] = blanked(value)
		}
		return v
	case []any:
		for i := range v {
			flag, ok := "", false
			if i > 0 {
				flag, ok = v[i-1].(string)
			}
			if text, is := v[i].(string); is && ok && (lastOption.MatchString(flag) || lastLogin.MatchString(flag) && strings.Contains(text, ":")) {
				v[i] = Redacted
				continue
			}
			v[i] = blanked(v[i])
		}
		return v
	case string:
		return Text(v)
	}
	return v
}

// blank takes out a text, or the texts of a list.
func blank(v any) any {
	switch v := v.(type) {
	case string:
		if v != "" {
			return Redacted
		}
	case []any:
		for i := range v {
			v[i] = blank(v[i])
		}
	}
	return v
}

func isReference(key string) bool {
	return slices.Contains(references, key) || strings.HasSuffix(key, "SecretName") || strings.HasSuffix(key, "SecretRef")
}
