package fleet

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

// ReasonCaptured is that of the event on a FlowCollector whose raw datagrams somebody captures.
const ReasonCaptured = "DatagramsCaptured"

// User is the name by which the API server knows who asks.
func (c *Client) User(ctx context.Context) (string, error) {
	review, err := c.pods.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("asking the API server who you are: %w", err)
	}
	return status.Text(review.Status.UserInfo.Username), nil
}

// maxMessage bounds an event's message, as the API server does, in bytes.
const maxMessage = 1024

// Trace leaves an event on a FlowCollector. It needs the right to create events in its namespace.
func (c *Client) Trace(ctx context.Context, f *v1alpha1.FlowCollector, reason, message string) error {
	now := metav1.Now()
	_, err := c.pods.CoreV1().Events(f.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: f.Name + ".", Namespace: f.Namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "FlowCollector", Namespace: f.Namespace,
			Name: f.Name, UID: f.UID, ResourceVersion: f.ResourceVersion},
		Type: corev1.EventTypeNormal, Reason: reason, Message: message[:min(len(message), maxMessage)],
		Source: corev1.EventSource{Component: "kubectl-flowfleet"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("leaving an event on the FlowCollector %s: %w", f.Name, err)
	}
	return nil
}
