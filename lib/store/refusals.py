"""What object stores and the network refuse, told by the codes that they give: what may pass, and what its user is to do.

Every client has error types of its own, of packages that may not be installed, and wraps those of others. So errors are told
by the code that a store answered with, wherever in the chain of causes it stands, and by where their type comes from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

EXPIRED = {
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestExpired", "401", "RefreshError",
    "UnauthorizedSSOTokenError", "TokenRetrievalError", "CredentialRetrievalError",
}  # fmt: skip
UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
NONE = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ProfileNotFound"}
DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "PermissionError", "Forbidden"}
NO_BUCKET = {"NoSuchBucket", "InvalidBucketName"}
ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301", "307"}
EXISTS = {"PreconditionFailed", "412", "FileExistsError"}
PASSING = {
    "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict", "IncompleteBody",
    "XAmzContentSHA256Mismatch", "BadDigest", "408", "409", "429", "500", "502", "503", "504",
}  # fmt: skip
NETWORK = {
    "botocore", "aiobotocore", "aiohttp", "urllib3", "requests", "http", "gcsfs", "google", "s3fs", "fsspec", "socket", "ssl",
}  # fmt: skip
"""Packages whose errors, if they carry no code, are the network's."""


def codes_of(error: BaseException) -> Iterator[str]:
    """What a store said, from the outermost error to the one it began with; names of types last of each."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            yield str(response.get("Error", {}).get("Code"))
            yield str(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        for name in ("code", "status"):
            if isinstance(getattr(one, name, None), int | str):
                yield str(getattr(one, name))
        if str(one).startswith("Forbidden:"):  # gcsfs gives an OSError without a code
            yield "Forbidden"
        yield type(one).__name__
        one = one.__cause__ or one.__context__


def _is(error: BaseException, codes: set[str]) -> bool:
    return not codes.isdisjoint(codes_of(error))


def told_exists(error: BaseException) -> bool:
    """Did a write fail because something is there?"""
    return _is(error, EXISTS)


def missing_bucket(error: BaseException) -> bool:
    """Is it the bucket that is not there, and not the object?"""
    return _is(error, NO_BUCKET)


def _of_network(error: BaseException) -> bool:
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, ConnectionError | TimeoutError | asyncio.TimeoutError):
            return True
        if type(one).__module__.partition(".")[0] in NETWORK:
            return True
        one = one.__cause__ or one.__context__
    return False


def is_passing(error: BaseException) -> bool:
    """May the same be tried again?"""
    lasting = EXPIRED | UNKNOWN | NONE | DENIED | NO_BUCKET | ELSEWHERE | {"RequestTimeTooSkewed"}
    if _is(error, lasting):
        return False
    return _is(error, PASSING) or (_of_network(error) and not _is(error, {"ClientError", "FileNotFoundError"}))


def refusal(error: BaseException, url: str) -> str | None:
    """One line that names the bucket and the remedy; None where this is no error of a store."""
    if _is(error, EXPIRED):
        return f"storage {url}: the credentials have expired: renew them where this machine gets them, and run the same command"
    if _is(error, NONE):
        return f"storage {url}: no credentials were found: set them in the environment of every machine, or give it an identity"
    if _is(error, UNKNOWN):
        return f"storage {url}: the store does not know these credentials: check key and secret in the environment"
    if _is(error, {"RequestTimeTooSkewed"}):
        return f"storage {url}: the clock of this machine is wrong, so that its requests are refused: set it"
    if _is(error, NO_BUCKET):
        return f"storage {url}: there is no such bucket: create it, or check its name and the endpoint"
    if _is(error, ELSEWHERE):
        return f"storage {url}: the bucket is in another region: set AWS_DEFAULT_REGION to its own"
    if _is(error, DENIED):
        return f"storage {url}: access is denied: this identity needs to list, read, write and delete objects there"
    if isinstance(error, FileNotFoundError):
        return f"storage {url}: something there is gone, or there is no such bucket: check its name, and run the same command"
    if _is(error, PASSING):
        return f"storage {url}: the store answers with errors ({_short(error)}): try again when it is well"
    if _is(error, {"ClientError"}):
        return f"storage {url}: the store refuses ({_short(error)}): check bucket, prefix and endpoint"
    if _of_network(error):
        return (
            f"storage {url} cannot be reached, or does not answer in time ({_short(error)}): check network and endpoint"
        )
    return None


def _short(error: BaseException) -> str:
    told = [code for code in codes_of(error) if code not in ("None", "OSError")]
    return told[0] if told else type(error).__name__
