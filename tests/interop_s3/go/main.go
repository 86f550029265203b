// The encryption client for Go: one job a line on standard input, one answer a line on standard output.
// What a job has is described in ../ends.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/aws/amazon-s3-encryption-client-go/v3/client"
	"github.com/aws/amazon-s3-encryption-client-go/v3/commitment"
	"github.com/aws/amazon-s3-encryption-client-go/v3/materials"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type job struct {
	Op      string
	Bucket  string
	Key     string
	Body    string
	Out     string
	Context map[string]string
	Policy  string
	Keyring struct {
		Type string
		Key  string
	}
	LegacyWrappingAlgorithms   bool `json:"legacy_wrapping_algorithms"`
	LegacyUnauthenticatedModes bool `json:"legacy_unauthenticated_modes"`
}

type answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

var policies = map[string]commitment.CommitmentPolicy{
	"forbid-encrypt-allow-decrypt":    commitment.FORBID_ENCRYPT_ALLOW_DECRYPT,
	"require-encrypt-allow-decrypt":   commitment.REQUIRE_ENCRYPT_ALLOW_DECRYPT,
	"require-encrypt-require-decrypt": commitment.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
}

func main() {
	log.SetOutput(os.Stderr)
	shared, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	jobs := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := jobs.ReadBytes('\n')
		if err != nil {
			return
		}
		var one job
		err = json.Unmarshal(line, &one)
		if err == nil {
			err = run(shared, one)
		}
		reply := answer{OK: err == nil}
		if err != nil {
			reply.Error = err.Error()
		}
		if answers.Encode(reply) != nil {
			return
		}
	}
}

func run(shared aws.Config, one job) error {
	if one.Op == "keys" {
		return nil
	}
	encryption, err := open(shared, one)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if len(one.Context) > 0 {
		ctx = context.WithValue(ctx, client.EncryptionContext, one.Context)
	}
	switch one.Op {
	case "put":
		body, err := os.ReadFile(one.Body)
		if err != nil {
			return err
		}
		_, err = encryption.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &one.Bucket, Key: &one.Key, Body: bytes.NewReader(body),
		})
		return err
	case "get":
		got, err := encryption.GetObject(ctx, &s3.GetObjectInput{Bucket: &one.Bucket, Key: &one.Key})
		if err != nil {
			return err
		}
		defer got.Body.Close()
		plaintext, err := io.ReadAll(got.Body)
		if err != nil {
			return err
		}
		return os.WriteFile(one.Out, plaintext, 0o600)
	}
	return fmt.Errorf("no such op: %s", one.Op)
}

func open(shared aws.Config, one job) (*client.S3EncryptionClientV3, error) {
	policy, known := policies[one.Policy]
	if !known || one.Keyring.Type != "kms" {
		return nil, fmt.Errorf("no such policy or keyring: %s, %s", one.Policy, one.Keyring.Type)
	}
	legacy := func(options *materials.KeyringOptions) {
		options.EnableLegacyWrappingAlgorithms = one.LegacyWrappingAlgorithms
	}
	keyring := materials.NewKmsKeyring(kms.NewFromConfig(shared), one.Keyring.Key, legacy)
	manager, err := materials.NewCryptographicMaterialsManager(keyring)
	if err != nil {
		return nil, err
	}
	plain := s3.NewFromConfig(shared, func(options *s3.Options) { options.UsePathStyle = true })
	return client.New(plain, manager, func(options *client.EncryptionClientOptions) {
		options.CommitmentPolicy = policy
		options.EnableLegacyUnauthenticatedModes = one.LegacyUnauthenticatedModes
	})
}
