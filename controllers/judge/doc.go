// Package judge says what the facts about a fleet come to: conditions, counts and events.
//
// It is pure: a function from Facts to a Verdict, one file a condition, without a client, a context or a clock. Whoever finds that a
// condition has lied adds a row to its table test, and mends the one file.
package judge
