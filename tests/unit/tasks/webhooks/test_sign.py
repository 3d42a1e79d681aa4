from tasks.webhooks.sign import Signer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_test_vector_of_standard_webhooks():
    """(https://github.com/standard-webhooks/standard-webhooks: the libraries' test vector)"""
    assert Signer(SECRET).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    ) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_signature_depends_on_id_time_and_body():
    signer = Signer(SECRET)
    calls = [("a", 1, b"x"), ("b", 1, b"x"), ("a", 2, b"x"), ("a", 1, b"y")]
    signatures = {signer.headers(*call)["webhook-signature"] for call in calls}
    other = Signer("whsec_" + "A" * 32).headers(*calls[0])["webhook-signature"]
    assert len(signatures | {other}) == 5
